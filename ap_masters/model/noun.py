"""What every noun is."""

from pydantic import BaseModel, ConfigDict


class Noun(BaseModel):
    """A value: never changed once made, never carrying a field it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)  # built when first used: a light start
