/** A server from start to end: what it opens, in which order, and closes again. */
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { messageOf } from '../errors.ts'
import { Capture } from '../feedback/capture.ts'
import { findHeldOut, writeHeldOut } from '../feedback/held-out.ts'
import { jobDataset } from '../feedback/job-dataset.ts'
import { openLiveModel } from '../generate/open-live-model.ts'
import { Advisor } from '../guide/advisor.ts'
import { AdapterRegistry, referenceTo } from '../registry/adapters.ts'
import { Audit } from '../registry/audit.ts'
import { evaluateJob } from '../registry/evaluation-jobs.ts'
import { Evaluations } from '../registry/evaluations.ts'
import { Files } from '../registry/files.ts'
import { adaptersOfOtherBases } from '../registry/job-recipe.ts'
import { Jobs } from '../registry/jobs.ts'
import { Keys } from '../registry/keys.ts'
import { checkName } from '../registry/names.ts'
import { Runs } from '../registry/runs.ts'
import { maintain, openStore } from '../store/index.ts'
import { createApp } from './app.ts'
import type { ServerContext } from './context.ts'
import { isLoopback } from './guard.ts'
import { RowReader } from './data/row-reader.ts'
import { Inference } from './inference/inference.ts'
import { PromptEncoder } from './inference/prompt-encoder.ts'
import { bracketed, Listener } from './listener.ts'
import { Merges } from './merges.ts'
import type { ServerOptions, StartedServer } from './options.ts'
import { Metrics } from './metrics.ts'
import { allRoutes } from './routes/index.ts'

/** What the server's own tests see of it besides. */
export interface RunningServer extends StartedServer {
  readonly context: ServerContext
}

/** Starts a server; it answers when the promise resolves. @throws UserError where something of it cannot be opened */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { host = '127.0.0.1', port = 8000, graceTime = 30_000, log = () => undefined } = options
  await using opened = new AsyncDisposableStack()
  const listener = opened.use(await Listener.open(host, port, options.connections))
  const context = await openContext(options, opened, log)
  const app = createApp(context, allRoutes, {
    allowedHosts: [...(options.allowedHosts ?? []), ...(host === '0.0.0.0' || host === '::' ? [] : [bracketed(host)])],
    requireKey: options.requireKey === true || !(host === 'localhost' || isLoopback(host)),
    verifyKey: async (key) => context.keys.verify(key),
  })
  listener.answerWith((request, env) => app.fetch(request, env))
  const stack = opened.move()
  let closing: Promise<void> | undefined
  const shutDown = async (): Promise<void> => {
    await listener.close(() => context.inference.drain(graceTime))
    await stack.disposeAsync()
  }
  const close = async (): Promise<void> => closing ??= shutDown()
  return { url: listener.url, context, close, [Symbol.asyncDispose]: close }
}

async function openContext(options: ServerOptions, opened: AsyncDisposableStack, log: (line: string) => void): Promise<ServerContext> {
  const directory = resolve(options.directory)
  const adapterRoots = [join(directory, 'adapters'), ...(options.adapterRoots ?? []).map((root) => resolve(root))]
  for (const root of adapterRoots) await mkdir(root, { recursive: true })
  const modelName = options.name ?? nameOf(options.model)
  const store = opened.use(await openStore({ directory, url: options.database, exclusive: true }))
  const maintenance = maintain(store, (error) => { log(traceOf(error)) })
  opened.defer(() => maintenance.stop())
  const { precision, threads, maxAdapters, maxRank, maxRows, openModel = openLiveModel } = options
  const model = opened.use(await openModel(options.model, { precision, threads, maxAdapters, maxRank, maxRows }))
  const adapters = await AdapterRegistry.open(store, modelName)
  const capture = new Capture(store, {
    enabled: options.store ?? true,
    retentionDays: options.retentionDays,
    redaction: { enabled: options.redact, patterns: options.redactPatterns },
    log,
  })
  opened.defer(async () => capture.close())
  const encoder = opened.use(new PromptEncoder(model, options.model))
  const metrics = new Metrics(model, store, capture)
  const files = await Files.open(store)
  const onFault = (error: unknown): void => { log(traceOf(error)) }
  const evaluations = opened.use(new Evaluations({
    store, adapters, files, onFault,
    settings: { directory, modelRef: options.model, precision: precision ?? 'int8', threads },
    findHeldOut: (name) => findHeldOut(store, name),
    writeHeldOut: (datasetId, path) => writeHeldOut(store, datasetId, path),
  }))
  const jobs = opened.use(new Jobs({
    store, adapters, files, onFault, inspect: (adapter) => model.inspect(adapter),
    onAdapter: options.evaluateJobs === false ? undefined : (job, adapterId) => evaluateJob(evaluations, adapters, job, adapterId),
    settings: { directory, modelRef: options.model, adapterRoot: adapterRoots[0]!, minimumRows: options.minimumTrainingRows },
    findDataset: (name) => jobDataset(store, name),
    webhooks: { operator: options.webhook, allow: options.allowedAddresses },
  }))
  const context: ServerContext = {
    store, model, adapters, capture, metrics, jobs, evaluations,
    runs: new Runs({ store, directory, roots: options.runRoots ?? [] }),
    keys: new Keys(store),
    audit: new Audit(store),
    merges: opened.use(new Merges({ directory, modelRef: options.model })),
    rows: opened.use(new RowReader(options.model)),
    advisor: opened.use(new Advisor()),
    inference: new Inference(model, encoder, adapters, metrics, { maxAnswers: options.maxAnswers ?? 512, stallTime: options.stallTime }),
    onFault: (error, requestId) => { log(`${requestId}: ${traceOf(error)}`) },
    settings: { modelName, modelRef: options.model, directory, adapterRoots },
    startedAt: Date.now(),
  }
  for (const [base, count] of await adaptersOfOtherBases(store, adapters)) {
    log(`${count} of the adapters here ${count === 1 ? 'was' : 'were'} trained over ${base}: over ${modelName} nobody has measured ${count === 1 ? 'it' : 'them'}`)
  }
  await registerAdapters(options.adapters ?? {}, context)
  await pinAdapters(context, log)
  return context
}

/** Adapters that are read at the same time: each has a file open, and there may be thousands. */
const atOnce = 32

/** Registers the operator's adapters, in the place of those that had their names when the server last ran. */
async function registerAdapters(named: Readonly<Record<string, string>>, { adapters, model }: ServerContext): Promise<void> {
  const register = async ([id, path]: readonly [string, string]): Promise<void> => {
    const directory = resolve(path)
    await adapters.replace({ id: checkName(id, 'adapter'), directory, facts: await model.inspect(directory), source: 'command_line' })
  }
  const all = Object.entries(named)
  for (let i = 0; i < all.length; i += atOnce) await Promise.all(all.slice(i, i + atOnce).map(register))
}

async function pinAdapters({ adapters, model }: ServerContext, log: (line: string) => void): Promise<void> {
  for (const adapter of adapters.list().filter(({ pinned }) => pinned)) {
    await model.pin(referenceTo(adapter)).catch((error: unknown) => {
      log(`adapter ${adapter.id} could not be pinned: ${messageOf(error)}`)
    })
  }
}

function traceOf(error: unknown): string {
  return error instanceof Error && error.stack !== undefined ? error.stack : messageOf(error)
}

/** What a model is called in the API: the file's or the folder's name, the package's, or the hub's id. */
function nameOf(ref: string): string {
  if (ref.startsWith('package:')) return ref.slice('package:'.length)
  return existsSync(ref) ? basename(resolve(ref)).replace(/\.gguf$/i, '') : ref
}
