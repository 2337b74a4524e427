"""The README's table of settings is that of .env.example, which is compared with the code."""

from tests.support.readme import settings_of_example, settings_of_readme


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    assert settings_of_readme() == settings_of_example()
