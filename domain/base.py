"""The two base models: `Value` for what travels inside, `Declared` for what people write."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value. Unknown fields are ignored, so that an old worker can read a newer payload."""

    model_config = ConfigDict(frozen=True)


class Declared(BaseModel):
    """Something a person wrote (manifest, front matter). An unknown field is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
