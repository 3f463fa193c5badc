"""Who has to agree before a version may serve: the section `review` of configs/promotion.yaml."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ReviewPolicy(BaseModel):
    """How many people decide, in which roles.

    Attributes:
        approvals: different people who have to approve; 0 lets what passes every gate serve without one.
        roles: whose approval or rejection counts.
        each_of: roles of which at least one has to be among the approvals.
        override_roles: who may override a failed gate, with a reason.
        never_overridden: gates that nobody may override.
        rollback_roles: who may take the champion back.
        purpose: ends the sentence that an approval signs, "I approve this version for …".
        one_login_one_person: nobody decides in the login that asked for the version; where people share one, as at a
            common workstation, the logins that `hematovision reviewers add` recorded still tell them apart.
        dirty_tree: whether a version built from changed or unknown code may be approved.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    approvals: int = Field(ge=0)
    roles: list[str] = Field(min_length=1)
    each_of: list[str]
    override_roles: list[str]
    never_overridden: list[str]
    rollback_roles: list[str] = Field(min_length=1)
    purpose: str = Field(min_length=1)
    requester_may_approve: bool
    one_login_one_person: bool
    dirty_tree: Literal["refuse", "allow"]

    @model_validator(mode="after")
    def _can_be_fulfilled(self) -> Self:
        strangers = sorted(set(self.each_of) - set(self.roles))
        if strangers:
            raise ValueError(f"each_of names {', '.join(strangers)}, whose approval does not count: add it to roles")
        if len(set(self.each_of)) > self.approvals:
            raise ValueError(f"{self.approvals} approvals cannot hold one of each of {', '.join(self.each_of)}")
        return self
