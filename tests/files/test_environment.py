"""Programs that we start do not load what the bundle brings for itself."""

import os

from core.files.environment import for_others, leave_bundle

INSIDE = "/opt/grapevine/_internal"
BUNDLE = {
    "HOME": "/srv/anna",
    "QT_PLUGIN_PATH": f"{INSIDE}/PySide6/Qt/plugins",
    "QML2_IMPORT_PATH": f"{INSIDE}/PySide6/Qt/qml{os.pathsep}/usr/lib/qml",
    "LD_LIBRARY_PATH": INSIDE,
    "_PYI_ARCHIVE_FILE": "/opt/grapevine/grapevine",
    "NEAR": f"{INSIDE}-too",
}


def test_the_bundle_s_own_variables_are_gone() -> None:
    assert for_others(BUNDLE, INSIDE) == {"HOME": "/srv/anna", "NEAR": f"{INSIDE}-too"}


def test_what_the_user_had_is_back() -> None:
    found = for_others({**BUNDLE, "LD_LIBRARY_PATH_ORIG": "/srv/anna/lib"}, INSIDE)
    assert found == {"HOME": "/srv/anna", "NEAR": f"{INSIDE}-too", "LD_LIBRARY_PATH": "/srv/anna/lib"}


def test_without_a_bundle_nothing_changes() -> None:
    assert for_others(BUNDLE, "") == BUNDLE
    assert for_others(BUNDLE) == BUNDLE


def test_our_own_environment_is_changed_in_place() -> None:
    own = {**BUNDLE, "LD_LIBRARY_PATH_ORIG": "/srv/anna/lib"}
    leave_bundle(own, INSIDE)
    assert own == for_others({**BUNDLE, "LD_LIBRARY_PATH_ORIG": "/srv/anna/lib"}, INSIDE)
