import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from '../errors.ts'
import { Audit } from '../registry/audit.ts'
import { Keys, scopes, type KeyRecord, type NewKey } from '../registry/keys.ts'
import { openStore, type Store } from '../store/index.ts'
import { choiceOption, defineCommand, numberOption, required, usageError } from './command.ts'

const usage = 'create --name NAME --scope SCOPE … | list | revoke ID, with --directory DIR'
const command = { name: 'keys', usage }
const day = 24 * 60 * 60 * 1000

/** `posttrain keys`: the API keys of a server, which may be running. */
export const keys = defineCommand({
  ...command,
  summary: 'make, list and revoke API keys of a server',
  details: [
    'A key is shown once, when it is made; the store has its hash. A running server takes a new key at once, and refuses a',
    'revoked one within two seconds.',
    'Scopes: infer (completions), feedback (feedback, reading datasets), train (files, jobs, datasets, adapters, aliases),',
    'admin (everything, also keys and users\' data).',
  ].join('\n'),
  options: {
    directory: { type: 'string', value: 'DIR', help: 'the folder that serve --directory has' },
    database: { type: 'string', value: 'URL', help: 'the PostgreSQL database that serve --database has' },
    name: { type: 'string', value: 'NAME', help: 'who uses the key, for what' },
    scope: { type: 'string', multiple: true, value: 'SCOPE', help: `what it may do: ${scopes.join(', ')}; can be given several times` },
    'expires-in': { type: 'string', value: 'DAYS', help: 'when it ends; never, unless given' },
  },
  positionals: 2,
  async run({ positionals, options, json, terminal }) {
    const [action, id] = positionals
    const directory = required(command, 'directory', options.directory)
    const print = (value: unknown, text: string): void => { terminal.out(json ? `${JSON.stringify(value)}\n` : text) }
    const open = async (): Promise<Store> => {
      // A slip in the folder's name is not to make a new store.
      const there = action === 'create' || options.database !== undefined || existsSync(join(directory, 'store.sqlite'))
      if (!there) throw new UserError(`${directory} has no store.sqlite. Name the folder that serve --directory has.`, { exitCode: 2 })
      return await openStore({ directory, url: options.database })
    }
    if (action === 'create' && id === undefined) {
      const wanted = newKey(options)
      await using store = await open()
      const { key, record } = await new Keys(store).create(wanted)
      await log(store, 'keys create', record, { name: record.name, scopes: record.scopes })
      print({ ...record, key }, `${key}\n`)
      terminal.log.write(`key ${record.id} for ${record.scopes.join(', ')}; it is not shown again\n`)
    } else if (action === 'list' && id === undefined) {
      await using store = await open()
      const records = await new Keys(store).list()
      print(records, records.map(line).join(''))
    } else if (action === 'revoke' && id !== undefined) {
      await using store = await open()
      const record = await new Keys(store).revoke(id)
      await log(store, 'keys revoke', record)
      print(record, line(record))
    } else {
      throw usageError(command, action === undefined ? 'say what to do' : `not understood: ${positionals.join(' ')}`)
    }
  },
})

async function log(store: Store, action: string, { id }: KeyRecord, detail?: unknown): Promise<void> {
  await new Audit(store).append({ keyId: null, action, target: id, detail })
}

function newKey({ name, scope = [], 'expires-in': days }: {
  readonly name: string | undefined
  readonly scope: string[] | undefined
  readonly 'expires-in': string | undefined
}): NewKey {
  if (scope.length === 0) throw usageError(command, '--scope is missing')
  const left = numberOption('expires-in', days, { min: 0, max: 36_500 })
  return {
    name: required(command, 'name', name),
    scopes: scope.map((text) => choiceOption('scope', text, scopes)!),
    expiresAt: left === undefined ? undefined : Date.now() + left * day,
  }
}

function line({ id, name, scopes, hint, expiresAt, revokedAt }: KeyRecord): string {
  const until = expiresAt === null ? 'never expires' : `expires ${new Date(expiresAt).toISOString()}`
  const state = revokedAt === null ? until : `revoked ${new Date(revokedAt).toISOString()}`
  // As JSON, so that control characters do nothing to the terminal.
  return `${id}  …${hint}  ${scopes.join(',')}  ${state}  ${JSON.stringify(name)}\n`
}
