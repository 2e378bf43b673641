from __future__ import annotations

import pytest

from cluster.local import ClusterError, connected

pytestmark = pytest.mark.ray


def test_a_ray_that_is_lost_is_said_so() -> None:
    from ray.exceptions import ActorDiedError

    with pytest.raises(ClusterError, match=r"Ray was lost \(ActorDiedError"), connected():
        raise ActorDiedError
