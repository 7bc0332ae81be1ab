import pytest

from temperature import fahrenheit


@pytest.mark.parametrize("celsius, want", [(0, 32), (100, 212), (-40, -40)])
def test_fahrenheit(celsius, want):
    assert fahrenheit(celsius) == want
