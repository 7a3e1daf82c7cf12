import { PostgresDialect } from 'kysely'
import pg from 'pg'

/** A kysely dialect for `postgres://…`. */
export function postgresDialect(url: string): PostgresDialect {
  // Counts and times are bigint there; all of ours are exact in a double.
  const types: pg.CustomTypesConfig = {
    getTypeParser: (oid, format) => (oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format)) as never,
  }
  return new PostgresDialect({ pool: new pg.Pool({ connectionString: url, max: 8, types }) })
}
