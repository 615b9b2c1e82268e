"""What Alembic runs; it is always handed an open connection by `migrate`."""

from alembic import context

from service import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.token.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
