"""The loop from the first model to the one that people's corrections made, step by step."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from hematovision.config import RunConfig
from hematovision.rehearsal.acts import Rehearsal
from hematovision.rehearsal.outcome import Outcome
from hematovision.rehearsal.story import Story
from hematovision.rehearsal.workplace import Workplace


def rehearse(place: Workplace, config: RunConfig, sources: Mapping[str, Path] | None, story: Story) -> Outcome:
    """The whole loop; whatever it starts is stopped when it ends, however it ends.

    Args:
        sources: where the cells of both sites lie, by site; None draws them.

    Raises:
        WentWrong: naming the step and the log.
    """
    with ExitStack() as running:
        loop = Rehearsal(place, config, story, running)
        dealt = loop.deal(sources)
        champion = loop.train()
        loop.approve(champion, "Figures, mistakes and gates were looked at.")
        loop.serve(dealt)
        answers = loop.traffic(dealt.first, dealt, "Traffic of site B arrives")
        raised = loop.watch("Drift of site B is looked for", alarm=True)
        corrections = loop.correct(answers)
        before = loop.measure(dealt, "The champion is measured on cells that nobody corrects")
        retrained = loop.await_retrain()
        loop.approve(retrained.version, "It gained on the new site and lost nothing that the policy minds.")
        loop.follow(retrained.version)
        loop.traffic(dealt.later, dealt, "Traffic of site B goes on")
        cleared = loop.watch("Drift of site B is looked for again", alarm=False)
        after = loop.measure(dealt, "The new champion is measured on the same cells")
    return Outcome(
        synthetic=loop.synthetic,
        sources=loop.sources,
        cells=dealt.counts,
        left_out=dealt.left_out,
        per_class=config.rehearsal.per_class,
        before=before,
        after=after,
        alarm_raised=raised.state == "raised",
        alarm_cleared=cleared.state == "cleared",
        watched=[raised, cleared],
        corrections=corrections,
        started_by=retrained.document["started_by"],
        firing=retrained.firing.id,
        versions=loop.tally.versions,
        requests=loop.tally.requests,
        dropped_requests=len(loop.tally.dropped),
        dropped=loop.tally.dropped[:10],
        slowest_seconds=round(loop.tally.slowest, 3),
        steps=story.steps,
        folder=str(place.root),
        seconds=round(story.seconds, 1),
    )
