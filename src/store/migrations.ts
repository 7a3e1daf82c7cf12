/** What made the tables, in order. A migration that was released is never changed: a later one changes the tables. */
import { sql, type ColumnDefinitionBuilder, type CreateTableBuilder, type Kysely, type RawBuilder } from 'kysely'
import { StoreError } from './errors.ts'
import type { Tables } from './schema.ts'

export interface Migration {
  readonly name: string
  up(database: Kysely<Tables>, dialect: DialectName): Promise<void>
}

export type DialectName = 'sqlite' | 'postgres'

/** Columns as "name type" with `!` for those that may be null left out: `{id: 'text!', at: 'integer'}`. */
type Columns = Readonly<Record<string, 'text' | 'text!' | 'integer' | 'integer!' | 'real' | 'key' | 'sequence'>>

export const migrations: readonly Migration[] = [
  {
    name: '001-tables',
    async up(database, dialect) {
      const table = (name: string, columns: Columns, unique: readonly string[][] = []): Promise<void> =>
        createTable(database, dialect, name, columns, unique)
      const indexNamed = (name: string, table: string, columns: string[]): Promise<void> =>
        database.schema.createIndex(name).on(table).columns(columns).execute()
      const index = (table: string, ...columns: string[]): Promise<void> =>
        indexNamed(`${table}_by_${columns.join('_')}`, table, columns)

      await table('completions', {
        id: 'key', created_at: 'integer!', source: 'text!', kind: 'text!', model: 'text!', adapter_id: 'text', alias: 'text',
        user_id: 'text', conversation_id: 'text!', prompt_json: 'text', prompt_hash: 'text!', parameters_json: 'text!',
        metadata_json: 'text!', prompt_tokens: 'integer!', completion_tokens: 'integer!', expires_at: 'integer',
      })
      await index('completions', 'created_at', 'id')
      await index('completions', 'alias', 'created_at')
      await index('completions', 'adapter_id', 'created_at')
      await index('completions', 'model', 'created_at')
      await index('completions', 'source', 'created_at')
      await index('completions', 'user_id', 'created_at')
      await index('completions', 'conversation_id')
      await index('completions', 'prompt_hash')
      await index('completions', 'expires_at')
      // What filters ask of the completions that feedback speaks of: answered without their texts.
      await indexNamed('completions_filter', 'completions', ['id', 'created_at', 'alias', 'adapter_id', 'model', 'user_id'])
      await table('choices', {
        completion_id: 'text!', position: 'integer!', message_json: 'text', message_hash: 'text!', finish_reason: 'text!',
      }, [['completion_id', 'position']])
      await table('feedback', {
        id: 'key', created_at: 'integer!', completion_id: 'text!', position: 'integer!', name: 'text!', value_json: 'text', number: 'real',
        tags_json: 'text!', user_id: 'text', idempotency_key: 'text', superseded: 'integer!',
      }, [['idempotency_key']])
      await index('feedback', 'completion_id')
      await indexNamed('feedback_filter', 'feedback', ['name', 'superseded', 'number', 'completion_id', 'id'])
      await index('feedback', 'created_at', 'id')
      await index('feedback', 'user_id')
      await table('tags', {
        completion_id: 'text!', feedback_id: 'text!', key: 'text!', value: 'text!', created_at: 'integer!',
      }, [['completion_id', 'feedback_id', 'key']])
      await indexNamed('tags_filter', 'tags', ['key', 'value', 'feedback_id', 'completion_id'])
      await index('tags', 'feedback_id')

      await table('datasets', {
        id: 'key', created_at: 'integer!', name: 'text!', version: 'integer!', kind: 'text!', filter_json: 'text!', report_json: 'text!',
      }, [['name', 'version']])
      await table('dataset_rows', {
        dataset_id: 'text!', position: 'integer!', split: 'text!', row_json: 'text', completion_id: 'text', feedback_id: 'text', user_id: 'text',
      }, [['dataset_id', 'position']])
      await index('dataset_rows', 'user_id')
      await index('dataset_rows', 'completion_id')
      await index('dataset_rows', 'feedback_id')

      await table('files', { id: 'key', created_at: 'integer!', filename: 'text!', purpose: 'text!', bytes: 'integer!', sha256: 'text!' })
      await table('jobs', {
        id: 'key', created_at: 'integer!', started_at: 'integer', finished_at: 'integer', status: 'text!', model: 'text!', request_json: 'text!',
        recipe_json: 'text!', training_file: 'text!', validation_file: 'text', fine_tuned_model: 'text', trained_tokens: 'integer',
        estimated_finish: 'integer', error_json: 'text', promotion_json: 'text', metadata_json: 'text!', pid: 'integer',
      })
      await index('jobs', 'status', 'created_at')
      await table('job_events', {
        sequence: 'sequence', id: 'text!', job_id: 'text!', created_at: 'integer!', level: 'text!', type: 'text!', message: 'text!', data_json: 'text',
      }, [['id']])
      await index('job_events', 'job_id', 'sequence')
      await table('job_checkpoints', {
        id: 'key', job_id: 'text!', created_at: 'integer!', step: 'integer!', adapter_id: 'text!', metrics_json: 'text!',
      }, [['job_id', 'step']])
      await table('webhooks', {
        id: 'key', job_id: 'text!', created_at: 'integer!', url: 'text!', payload_json: 'text!', attempts: 'integer!',
        next_attempt_at: 'integer!', delivered_at: 'integer', error: 'text',
      })

      await table('adapters', {
        id: 'key', created_at: 'integer!', directory: 'text!', rank: 'integer!', bytes: 'integer!', sha256: 'text!', source: 'text!',
        job_id: 'text', parent_id: 'text', pinned: 'integer!', metrics_json: 'text!',
      })
      await table('aliases', { name: 'key', adapter_id: 'text', updated_at: 'integer!' })
      await table('alias_moves', {
        sequence: 'sequence', alias: 'text!', adapter_id: 'text', previous_id: 'text', created_at: 'integer!', reason: 'text!',
      })
      await index('alias_moves', 'alias', 'sequence')
      await table('keys', {
        id: 'key', name: 'text!', hash: 'text!', hint: 'text!', scopes_json: 'text!', created_at: 'integer!', expires_at: 'integer', revoked_at: 'integer',
      }, [['hash']])
      await table('audit', {
        sequence: 'sequence', created_at: 'integer!', key_id: 'text', action: 'text!', target: 'text!', detail_json: 'text!',
      })
    },
  },
  {
    name: '002-dataset-rows',
    async up(database) {
      await database.schema.createIndex('dataset_rows_by_split').on('dataset_rows').columns(['dataset_id', 'split', 'position']).execute()
      // Deleted rows are few: counting them reads no others.
      await database.schema.createIndex('dataset_rows_deleted').on('dataset_rows').columns(['dataset_id', 'split'])
        .where(sql<boolean>`row_json is null`).execute()
    },
  },
  {
    name: '003-evaluations',
    async up(database, dialect) {
      const index = (table: string, ...columns: string[]): Promise<void> =>
        database.schema.createIndex(`${table}_by_${columns.join('_')}`).on(table).columns(columns).execute()
      await createTable(database, dialect, 'suites', {
        id: 'key', created_at: 'integer!', name: 'text!', rows: 'text!', dataset_id: 'text', kind: 'text', grader_json: 'text!',
        sampling_json: 'text!', row_limit: 'integer!',
      })
      await createTable(database, dialect, 'evaluations', {
        id: 'key', suite_id: 'text!', created_at: 'integer!', finished_at: 'integer', status: 'text!', adapter_id: 'text',
        adapter_sha256: 'text!', job_id: 'text', done: 'integer!', total: 'integer!', error: 'text', result_json: 'text',
      })
      await index('evaluations', 'suite_id', 'adapter_id')
      await index('evaluations', 'adapter_id')
      await index('evaluations', 'status', 'id')
      await createTable(database, dialect, 'evaluation_items', {
        evaluation_id: 'text!', position: 'integer!', dataset_id: 'text', reward: 'real', grades_json: 'text!', texts_json: 'text',
      }, [['evaluation_id', 'position']])
      await index('evaluation_items', 'dataset_id', 'position')
    },
  },
  {
    name: '004-traffic',
    async up(database) {
      // Requests and tokens of an hour by adapter and alias: answered without the completions themselves.
      await database.schema.createIndex('completions_traffic').on('completions')
        .columns(['created_at', 'adapter_id', 'alias', 'source', 'prompt_tokens', 'completion_tokens']).execute()
    },
  },
  {
    name: '005-finish',
    async up(database) {
      await database.schema.alterTable('jobs').addColumn('finish_requested_at', 'bigint').execute()
      // What a job told besides its steps, of which there may be a hundred thousand.
      await database.schema.createIndex('job_events_by_type').on('job_events').columns(['job_id', 'type', 'sequence']).execute()
    },
  },
  {
    name: '006-conversations',
    async up(database) {
      // Requests of nobody in particular that begin alike are one conversation: its turns are read by their times, never all.
      await database.schema.dropIndex('completions_by_conversation_id').execute()
      await database.schema.createIndex('completions_by_conversation_id_created_at_id').on('completions')
        .columns(['conversation_id', 'created_at', 'id']).execute()
    },
  },
  {
    name: '007-evaluated-base',
    async up(database) {
      // A folder may be served with one base today and with another tomorrow.
      await database.schema.alterTable('evaluations').addColumn('base', 'text').execute()
      await database.schema.alterTable('evaluations').addColumn('precision', 'text').execute()
    },
  },
]

async function createTable(
  database: Kysely<Tables>,
  dialect: DialectName,
  name: string,
  columns: Columns,
  unique: readonly string[][] = [],
): Promise<void> {
  let table: CreateTableBuilder<string, string> = database.schema.createTable(name)
  for (const [column, type] of Object.entries(columns)) {
    const [kind, build] = columnType(type, dialect)
    table = table.addColumn(column, kind, build)
  }
  for (const together of unique) table = table.addUniqueConstraint(`${name}_one_${together.join('_')}`, together)
  await table.execute()
}

type Kind = 'text' | 'bigint' | 'integer' | 'double precision' | RawBuilder<unknown>
type Build = (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder

function columnType(type: Columns[string], dialect: DialectName): [kind: Kind, build: Build] {
  // The order of bytes, as in SQLite, whatever the database's language is.
  const text: Kind = dialect === 'sqlite' ? 'text' : sql`text collate "C"`
  switch (type) {
    case 'key': return [text, (column) => column.primaryKey().notNull()]
    case 'sequence':
      return dialect === 'sqlite'
        ? ['integer', (column) => column.primaryKey().autoIncrement()]
        : ['bigint', (column) => column.primaryKey().generatedAlwaysAsIdentity()]
    case 'text': return [text, (column) => column]
    case 'text!': return [text, (column) => column.notNull()]
    case 'integer': return ['bigint', (column) => column]
    case 'integer!': return ['bigint', (column) => column.notNull()]
    case 'real': return ['double precision', (column) => column]
  }
}

/**
 * Brings the tables up to date; what was done before is passed over. Several processes may do so at once.
 * @param place what the database is called in errors
 * @throws StoreError if a later version of this program has changed the tables
 */
export async function migrate(database: Kysely<Tables>, dialect: DialectName, place: string): Promise<void> {
  await database.transaction().execute(async (transaction) => {
    await transaction.schema.createTable('migrations').ifNotExists()
      .addColumn('name', 'text', (column) => column.primaryKey().notNull())
      .execute()
    const { rows } = await sql<{ name: string }>`select name from migrations order by name`.execute(transaction)
    const unknown = rows.find(({ name }) => !migrations.some((migration) => migration.name === name))
    if (unknown !== undefined) {
      throw new StoreError(`The database ${place} was changed by a later version of posttrain (${unknown.name}). Use that version.`)
    }
    for (const { name, up } of migrations) {
      if (rows.some((row) => row.name === name)) continue
      await up(transaction, dialect)
      await sql`insert into migrations (name) values (${name})`.execute(transaction)
    }
  })
}
