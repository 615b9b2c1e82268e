"""The second wall between clinics, on PostgreSQL: row-level security, forced on every table with a clinic_id.

The first is the clinic_id in each statement. Should one ever be forgotten, the database itself shows and takes rows of
the one clinic its transaction was begun for, and of none where none was named. `build` puts up the walls for a role,
again after each migration; `faults` says what is wrong with them, and the server does not start with one.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from programs import walls
from service.tables import token

METADATA = token.metadata
WALLED = tuple(sorted(table.name for table in METADATA.tables.values() if "clinic_id" in table.c))

# What the transactions of no clinic may do (Database.read), and why they must. Nothing here says how anybody is.
OPEN_TO_SERVICE: dict[str, tuple[tuple[str, ...], str]] = {
    "token": (("SELECT",), "a token is looked up by its hash"),
    "clinician": (("SELECT",), "and stands for its holder in the role they have now, unless they have left"),
    "ticket": (("SELECT", "INSERT", "UPDATE", "DELETE"), "a step on the way in, of somebody nobody knows yet"),
    "credential": (
        ("SELECT",),
        "whoever signs in names an e-mail address, or their provider names them, and no clinic",
    ),
    "passkey": (("SELECT",), "and a passkey only itself"),
    "clinic": (("SELECT",), "which clinics there are, what they decided; the operator names them"),
    "due": (("SELECT", "UPDATE"), "the claim takes what is due, whosever it is"),
    "horizon": (("SELECT",), "whose messages must be laid out further"),
    "rollup": (("SELECT",), "whose weeks must be counted again"),
}
# A row that is shown to whoever knows this column's value: 128 random bits, which came by mail; the hash of a code.
OPEN_BY_LINK = {"message": "id", "enrolment": "hash"}

OF_CLINIC = f"(clinic_id)::text = current_setting('{walls.CLINIC}', true)"
OF_SERVICE = f"current_setting('{walls.SERVICE}', true) = 'on'"
RIGHTS = "SELECT, INSERT, UPDATE, DELETE"
# What was noted can neither be changed nor removed by whoever takes over the application.
NARROW = {"alembic_version": "SELECT", "audit": "SELECT, INSERT", "audit_checkpoint": "SELECT"}

_STANDING = text(
    "SELECT t.relname, t.relrowsecurity, t.relforcerowsecurity, p.polname, obj_description(p.oid, 'pg_policy') AS said "
    "FROM pg_class t LEFT JOIN pg_policy p ON p.polrelid = t.oid "
    "WHERE t.relnamespace = current_schema()::regnamespace AND t.relkind = 'r'"
)


class Breached(RuntimeError):
    """The database's role could look past the walls: one line a fault, each with the SQL that mends it."""


def policies(table: str) -> dict[str, str]:
    """Name -> what it says; the name and these words are all that is compared."""
    found = {"clinic": f"USING ({OF_CLINIC}) WITH CHECK ({OF_CLINIC})"}
    for command in OPEN_TO_SERVICE.get(table, ((), ""))[0]:
        how = "WITH CHECK" if command == "INSERT" else "USING"
        found[f"service_{command.lower()}"] = f"FOR {command} {how} ({OF_SERVICE})"
    if table in OPEN_BY_LINK:
        column = OPEN_BY_LINK[table]
        found["link"] = f"FOR SELECT USING ({column}::text = current_setting('{walls.LINK}', true))"
    return found


def build(db: Connection) -> None:
    """Every table with a clinic_id is walled as it should be. What already is, is not touched: that would lock it."""
    if db.dialect.name != "postgresql":
        return
    forced, standing = _standing(db)
    for table in WALLED:
        if not forced[table]:
            db.execute(text(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY'))
        wanted = policies(table)
        if standing[table] != wanted:
            for name in standing[table]:
                db.execute(text(f'DROP POLICY "{name}" ON "{table}"'))
            for name, words in wanted.items():
                db.exec_driver_sql(f'CREATE POLICY "{name}" ON "{table}" {words}')
                quoted = words.replace("'", "''")
                db.exec_driver_sql(f'COMMENT ON POLICY "{name}" ON "{table}" IS \'{quoted}\'')


def open_for_migration(db: Connection) -> None:
    """In the transaction that migrates: the owner must reach every row, or a step would pass over it in silence."""
    if db.dialect.name == "postgresql":
        for table, forced in _standing(db)[0].items():
            if forced:
                db.execute(text(f'ALTER TABLE "{table}" NO FORCE ROW LEVEL SECURITY'))


def _standing(db: Connection) -> tuple[dict[str, bool], dict[str, dict[str, str]]]:
    """By table: whether it is enabled and forced, and the policies there are."""
    forced: dict[str, bool] = {}
    found: dict[str, dict[str, str]] = {}
    for row in db.execute(_STANDING):
        forced[row.relname] = row.relrowsecurity and row.relforcerowsecurity
        found.setdefault(row.relname, {})
        if row.polname is not None:
            found[row.relname][row.polname] = row.said or ""
    return forced, found


def admit(db: Connection, role: str) -> None:
    """The application's role may read and write rows, and nothing else: it owns no table and changes no schema."""
    if db.dialect.name != "postgresql":
        return
    missing = text(
        "SELECT c.relname, c.relkind FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace "
        "AND CASE c.relkind WHEN 'r' THEN NOT has_table_privilege(:role, c.oid, 'SELECT') "
        "WHEN 'S' THEN NOT has_sequence_privilege(:role, c.oid, 'USAGE') ELSE false END"
    )
    for name, kind in db.execute(missing, {"role": role}).all():
        if kind == "S":
            db.execute(text(f'GRANT USAGE ON SEQUENCE "{name}" TO "{role}"'))
        else:
            rights = NARROW.get(name, RIGHTS)
            db.execute(text(f'GRANT {rights} ON "{name}" TO "{role}"'))


def faults(db: Connection) -> list[str]:
    """What would let this connection's role past the walls, or what wall is missing; a line each, with the remedy."""
    if db.dialect.name != "postgresql":
        return []
    return [*_faults_of_role(db), *_faults_of_tables(db)]


def check(db: Connection) -> None:
    """Raises Breached."""
    found = faults(db)
    if found:
        raise Breached(
            "the walls between clinics do not hold, so the server does not start:\n"
            + "\n".join(f"- {it}" for it in found)
            + "\nHOMESTRETCH_DATABASE_URL must name a role that owns nothing, HOMESTRETCH_MIGRATING_URL the owner."
        )


def _faults_of_role(db: Connection) -> Iterator[str]:
    # Also what it could become by SET ROLE.
    roles = text(
        "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles "
        "WHERE (rolsuper OR rolbypassrls) AND pg_has_role(current_user, oid, 'MEMBER') "
        "AND (rolname = current_user OR NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))"
    )
    me = str(db.execute(text("SELECT current_user")).scalar_one())
    for name, is_super, bypasses in db.execute(roles).all():
        if name != me:
            yield f'the role "{me}" may become "{name}", which sees all: REVOKE "{name}" FROM "{me}";'
        elif is_super:
            yield f'the role "{me}" is a superuser: ALTER ROLE "{me}" NOSUPERUSER NOBYPASSRLS;'
        elif bypasses:
            yield f'the role "{me}" bypasses row-level security: ALTER ROLE "{me}" NOBYPASSRLS;'


def _faults_of_tables(db: Connection) -> Iterator[str]:
    owned = text(
        "SELECT c.relname, r.rolname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner "
        "WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' "
        "AND pg_has_role(current_user, c.relowner, 'MEMBER') ORDER BY c.relname"
    )
    superuser = db.execute(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")).scalar_one()
    mine = [] if superuser else db.execute(owned).all()
    if mine:
        tables = ", ".join(f'"{it.relname}"' for it in mine[:3]) + (" and others" if len(mine) > 3 else "")
        yield (
            f"the role owns {tables}: let another own them, "
            f'REASSIGN OWNED BY "{mine[0].rolname}" TO homestretch_owner; then run `homestretch migrate`'
        )
    forced, standing = _standing(db)
    for table in WALLED:
        if not forced.get(table):
            yield (
                f'the table "{table}" is not walled: '
                f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;'
            )
        elif standing[table] != policies(table):
            yield f'the policies of the table "{table}" are not those of this version: run `homestretch migrate`'
