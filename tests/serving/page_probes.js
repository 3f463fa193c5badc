// Questions that tests ask of the page as it is drawn.
({
  // Text whose contrast with what lies behind it is under 4.5 (WCAG 2.2, 1.4.3), with the ratio.
  faintText() {
    const rgba = (text) => {
      const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
      return { r, g, b, a };
    };
    const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const luminance = ({ r, g, b }) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
    const behind = (node) => {
      for (let at = node; at; at = at.parentElement) {
        const colour = rgba(getComputedStyle(at).backgroundColor);
        if (colour.a === 1) return colour;
      }
      return { r: 255, g: 255, b: 255 };
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode.parentElement;
      const text = walker.currentNode.textContent.trim();
      if (!text || !node.checkVisibility()) continue;
      const both = [luminance(rgba(getComputedStyle(node).color)), luminance(behind(node))].sort((a, b) => b - a);
      const ratio = (both[0] + 0.05) / (both[1] + 0.05);
      if (ratio < 4.5) found.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
    return found;
  },

  // What is too small to hit (under 24 by 24 CSS pixels: WCAG 2.2, 2.5.8).
  smallTargets() {
    return [...document.querySelectorAll("button, a[href], select, input:not([type=file]), summary, [role=option]")]
      .filter((one) => one.checkVisibility() && !one.classList.contains("skip"))
      .filter((one) => one.getBoundingClientRect().width < 24 || one.getBoundingClientRect().height < 24)
      .map((one) => one.textContent.trim().slice(0, 30));
  },

  // How wide the page is, and what sticks out of the window.
  tooWide() {
    const out = [...document.querySelectorAll("body *")].filter(
      (one) =>
        one.checkVisibility() &&
        !one.closest(".scroll, .skip, .unseen") &&
        one.getBoundingClientRect().right > innerWidth + 1,
    );
    return [document.scrollingElement.scrollWidth, out.map((one) => `${one.tagName}.${one.className}`)];
  },

  // The headings that are told, in order: h1, h2, …
  headings() {
    const all = [...document.querySelectorAll("h1, h2, h3, h4")];
    return all.filter((one) => one.checkVisibility() && !one.ariaHidden).map((one) => one.localName);
  },

  // How many elements move or would.
  moving() {
    const would = [...document.querySelectorAll("*")].filter((one) => parseFloat(getComputedStyle(one).transitionDuration) > 0);
    return document.getAnimations().length + would.length;
  },
});
