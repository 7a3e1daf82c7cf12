import { isIP } from 'node:net'
import { UserError } from '../errors.ts'
import { parsePattern } from '../feedback/redact.ts'
import { precisions } from '../models/graph/linear-maps.ts'
import type { ServerOptions } from '../server/options.ts'
import { startServer } from '../server/serve.ts'
import { choiceOption, defineCommand, numberOption, required, untilAborted, type Option, type Values } from './command.ts'
import { createProgress } from './progress.ts'

const usage = '--model MODEL [--adapter NAME=DIR …] [--directory DIR] [--port P]'

const serverOptions = {
  model: { type: 'string', value: 'MODEL', help: 'the base: a Hugging Face id, a directory, a .gguf file or package:NAME' },
  name: { type: 'string', value: 'NAME', help: 'what the base is called in the API (default: made from MODEL)' },
  adapter: { type: 'string', multiple: true, value: 'NAME=DIR', help: 'an adapter to be served; can be given several times' },
  directory: { type: 'string', value: 'DIR', help: 'where store, adapters and jobs are kept (default posttrain-data)' },
  database: { type: 'string', value: 'URL', help: 'a PostgreSQL database, postgres://…, in place of a file in DIR' },
  host: { type: 'string', value: 'H', help: 'the address to listen on (default 127.0.0.1; any other needs keys)' },
  port: { type: 'string', value: 'P', help: 'the port (default 8000; 0 takes a free one)' },
  precision: { type: 'string', value: 'P', help: 'of the base: int8 (default), f32, int4 or nf4' },
  threads: { type: 'string', value: 'N', help: 'CPU threads to use (default: one for each core)' },
  'adapter-root': { type: 'string', multiple: true, value: 'DIR', help: 'a folder besides DIR/adapters from which calls may load adapters' },
  runs: { type: 'string', multiple: true, value: 'DIR', help: 'a folder of runs of posttrain train, to be shown beside the jobs; can be given several times' },
  'max-adapters': { type: 'string', value: 'N', help: 'adapters in memory at once (default 64)' },
  'max-rank': { type: 'string', value: 'N', help: 'the highest rank of an adapter (default 64)' },
  'max-rows': { type: 'string', value: 'N', help: 'answers that are computed at once (default 64)' },
  'max-answers': { type: 'string', value: 'N', help: 'answers that are computed or wait; more get status 429 (default 512)' },
  'allow-host': { type: 'string', multiple: true, value: 'NAME', help: 'a host name besides localhost under which the server is called' },
  'require-key': { type: 'boolean', help: 'ask calls from this machine for a key too' },
  'no-store': { type: 'boolean', help: 'store no completions' },
  'retention-days': { type: 'string', value: 'N', help: 'forget completions and their feedback after N days' },
  'redact-pattern': { type: 'string', multiple: true, value: 'MARK=REGEX', help: 'replace by [MARK] what matches, before texts are stored' },
  'no-redact': { type: 'boolean', help: 'store texts as they are, with addresses, numbers and keys in them' },
  'no-evaluate': { type: 'boolean', help: 'do not measure by itself what jobs have made' },
  'allow-address': { type: 'string', multiple: true, value: 'A', help: 'a host, address or network (10.0.0.0/8) to which webhooks may be sent though it is private' },
} as const satisfies Readonly<Record<string, Option>>

/** `posttrain serve`: the loop as a service. */
export const serve = defineCommand({
  name: 'serve',
  summary: 'serve a model and its adapters, take feedback and train on it (OpenAI\'s API)',
  usage,
  details: [
    'Point any OpenAI client at http://127.0.0.1:8000/v1. From this machine no key is needed, and none but a known one counts;',
    'from elsewhere every call needs one: posttrain keys create. Ctrl-C lets running answers end, up to 30 seconds.',
  ].join('\n'),
  options: serverOptions,
  positionals: 0,
  interruptible: true,
  async run({ options, json, signal, terminal }) {
    const settings = readOptions(options)
    const progress = createProgress(terminal.log)
    progress.note(`loading ${settings.model} ...`)
    const server = await startServer({ ...settings, log: (line) => { progress.note(line) } })
    progress.end()
    const { modelName } = server.context.settings
    const studio = `${server.url}/`
    terminal.out(json ? `${JSON.stringify({ url: server.url, studio, model: modelName })}\n` : `serving ${modelName} at ${server.url}/v1\nthe Studio is at ${studio}\n`)
    await untilAborted(signal)
    await server.close()
    // Stopping is how a server ends well.
    process.exitCode = 0
  },
})

function readOptions(options: Values<typeof serverOptions>): ServerOptions {
  const count = (name: 'threads' | 'max-adapters' | 'max-rank' | 'max-rows' | 'max-answers'): number | undefined =>
    numberOption(name, options[name], { min: 1, max: 100_000, integer: true })
  return {
    model: required({ name: 'serve', usage }, 'model', options.model),
    name: options.name,
    directory: options.directory ?? 'posttrain-data',
    database: options.database,
    host: options.host,
    port: numberOption('port', options.port, { min: 0, max: 65_535, integer: true }),
    adapters: namedDirectories(options.adapter ?? []),
    adapterRoots: options['adapter-root'],
    runRoots: options.runs,
    precision: choiceOption('precision', options.precision, precisions),
    threads: count('threads'),
    maxAdapters: count('max-adapters'),
    maxRank: count('max-rank'),
    maxRows: count('max-rows'),
    maxAnswers: count('max-answers'),
    allowedHosts: options['allow-host'],
    requireKey: options['require-key'],
    store: options['no-store'] !== true,
    retentionDays: numberOption('retention-days', options['retention-days'], { min: 0, max: 36_500 }),
    evaluateJobs: options['no-evaluate'] !== true,
    redact: options['no-redact'] !== true,
    redactPatterns: options['redact-pattern']?.map(parsePattern),
    allowedAddresses: options['allow-address']?.map(checkAllowed),
  }
}

function namedDirectories(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(given.map((text) => {
    const at = text.indexOf('=')
    if (at < 1 || at === text.length - 1) throw new UserError(`--adapter ${text}: give it as NAME=DIR`, { exitCode: 2 })
    return [text.slice(0, at), text.slice(at + 1)]
  }))
}

function checkAllowed(text: string): string {
  const [address = '', bits, ...more] = text.split('/')
  const width = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0
  const isFine = bits === undefined ? text !== '' : more.length === 0 && /^\d+$/.test(bits) && width > 0 && Number(bits) <= width
  if (!isFine) throw new UserError(`--allow-address ${text}: give a host, host:port, an address, or a network as 10.0.0.0/8`, { exitCode: 2 })
  return text
}
