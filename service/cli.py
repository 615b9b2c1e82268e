"""`homestretch`: the commands there are. Each is imported when it runs, as the web framework alone takes a quarter of
a second that `homestretch --help` need not wait for."""

from importlib import import_module

import click


class Later(click.Command):
    """Stands in the list of commands; becomes the real one when it is called."""

    def __init__(self, name: str, where: str, short_help: str) -> None:
        """`where` is module:attribute of the click command."""
        super().__init__(name, short_help=short_help)
        self.where = where

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        module, _, attribute = self.where.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command.make_context(info_name, args, parent, **extra)


COMMANDS = (
    Later("demo", "service.demo_command:demo", "Fill a demonstration clinic and serve it on this machine."),
    Later("serve", "service.serving:serve", "Serve the API and the pages, and send what is due."),
    Later("token", "service.token_command:token", "Let a patient's app in."),
    Later("simulate", "service.simulation.command:simulate", "Run the engine on a fast clock and draw what it sent."),
    Later("explain", "service.explain_command:explain", "What became of one message."),
    Later("migrate", "service.commands:migrate", "Make the database, or bring it up to date."),
    Later("vapid", "service.commands:vapid", "Make the key that browsers know this server by."),
)
STAFF = (
    Later("invite", "service.staff_command:invite", "Print a link by which somebody joins a clinic."),
    Later("list", "service.staff_command:list_staff", "Who may sign in, and by what."),
    Later("disable", "service.staff_command:disable", "Sign somebody out everywhere and let them in no more."),
    Later("reset", "service.staff_command:reset", "Let somebody in anew who lost a factor."),
)
KEYS = (
    Later("create", "service.key_command:create", "Make a key for another program."),
    Later("list", "service.key_command:list_keys", "The keys of a clinic."),
    Later("end", "service.key_command:end", "End a key."),
)
IMPORTS = (
    Later(
        "needling-sessions",
        "service.import_command:needling_sessions",
        "Visits from a practice-management export (CSV).",
    ),
)
EXERCISES = (
    Later("sheet", "service.exercises_command:sheet", "Every exercise of the library on one sheet (SVG)."),
    Later("draw", "service.exercises_command:draw_one", "One exercise, moving or still (SVG)."),
)
ADHERENCE = (Later("rebuild", "service.adherence_command:rebuild", "Make the weekly rollup anew from the ledger."),)

AUDIT = (
    Later("verify", "service.audit_command:verify", "Whether the record of who did what is whole."),
    Later("anchor", "service.audit_command:anchor", "Where it stands, to be kept elsewhere."),
    Later("show", "service.audit_command:show", "What was done to one patient's record, by whom."),
    Later("renew-key", "service.audit_command:renew_key", "Go on with a new key."),
    Later("prune", "service.audit_command:prune", "Remove what is older than it must be kept."),
)

ERASURES = (
    Later("erase", "service.erasures_command:erase", "Erase one patient's record for good."),
    Later("apply", "service.erasures_command:apply", "Erase again, after a back-up was put back."),
)

MESSAGES = (
    Later("list", "service.messages_command:list_messages", "Messages that wait for you, and why."),
    Later("replay", "service.messages_command:replay", "Take them up again."),
    Later("drop", "service.messages_command:drop", "Never send them."),
)

RESTORE = (
    Later("begin", "service.messages_command:begin", "Hold back whatever is due by now."),
    Later("list", "service.messages_command:list_restored", "How many wait for your choice."),
    Later("send", "service.messages_command:send_restored", "Send those that are still wanted."),
    Later("drop", "service.messages_command:drop_restored", "Send none of them."),
)

main = click.Group("homestretch", help="Aftercare between visits to a clinic that does dry needling.")
for _command in COMMANDS:
    main.add_command(_command)
_create = Later("create", "service.staff_command:create", "Make a clinic.")
main.add_command(click.Group("clinic", commands=[_create], help="The clinics there are."))
main.add_command(
    click.Group("staff", commands=STAFF, help="Who may sign in. Where the database is SQLite, stop the server.")
)
main.add_command(click.Group("key", commands=KEYS, help="How other programs come in."))
main.add_command(click.Group("import", commands=IMPORTS, help="Bring in records of another system."))
main.add_command(click.Group("exercises", commands=EXERCISES, help="The pictures of the exercises."))
main.add_command(click.Group("adherence", commands=ADHERENCE, help="The numbers of adherence."))
main.add_command(click.Group("erasures", commands=ERASURES, help="Records that were erased."))
main.add_command(click.Group("messages", commands=MESSAGES, help="Messages that could not be sent."))
main.add_command(click.Group("restore", commands=RESTORE, help="After a back-up of the database was put back."))
main.add_command(click.Group("audit", commands=AUDIT, help="The record of who saw and did what."))
