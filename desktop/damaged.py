"""A damaged settings file: nothing is open to others until its owner has looked, here or in a terminal.

The question says what was wrong and what could be read; Escape and Enter leave everything closed.
"""

from core.errors import LocalError
from core.profile.settings import Settings, SettingsStore
from core.profile.shares import kept_shares
from core.trust.audience import Audience
from desktop.bridge import Bridge
from desktop.choices import Choices
from desktop.resume import resume
from desktop.views.main_window import MainWindow
from desktop.views.sheets import Question


def ask_about_settings(window: MainWindow, store: SettingsStore, choices: Choices, bridge: Bridge) -> None:
    """Say that the settings are damaged, and offer to use what could be read. Nothing when they are not."""
    if store.problem is None:
        for notice in store.notices:
            window.show_message(notice)
        return
    window.show_message(store.problem)
    if not window.isVisible():  # started in the tray: the message waits in the window
        return

    def use() -> None:
        try:
            settings = store.confirm()
        except LocalError as error:
            window.show_message(str(error))
            return
        window.show_message(window.tr("The settings that could be read are used now."))
        choices.change(settings)
        resume(bridge, settings)

    title, question = window.tr("Damaged settings"), window.tr("Use the settings that could be read?")
    asked = Question(window, title, question, recovered_words(store.recovered), window.tr("Use these settings"), use)
    asked.setObjectName("damaged")
    asked.open()


def recovered_words(settings: Settings) -> str:
    """Return what would be open to others with these settings."""
    open_to = [
        f"{service}: {audience.sentence}"
        for service, audience in settings.audiences.items()
        if audience is not Audience.OFF
    ]
    shares = [f"{share.name} ({share.audience.sentence})" for share in kept_shares(settings).shares if share.on]
    said = [
        f"Shared: {', '.join([*settings.sharing, *shares]) or 'nothing'}.",
        f"Who may call: {'; '.join(open_to) or 'as it is by default, which for the demo is anyone'}.",
    ]
    if settings.act_as_broker:
        said.append("This peer would act as a broker.")
    return " ".join([*said, "Until you decide, nothing is shared and nobody may call."])
