import type { HttpBindings } from '@hono/node-server'
import type { Capture } from '../feedback/capture.ts'
import type { LiveModel } from '../generate/live-model.ts'
import type { Advisor } from '../guide/advisor.ts'
import type { AdapterRegistry } from '../registry/adapters.ts'
import type { Audit } from '../registry/audit.ts'
import type { Evaluations } from '../registry/evaluations.ts'
import type { Jobs } from '../registry/jobs.ts'
import type { Keys } from '../registry/keys.ts'
import type { Runs } from '../registry/runs.ts'
import type { Store } from '../store/index.ts'
import type { RowReader } from './data/row-reader.ts'
import type { Inference } from './inference/inference.ts'
import type { Merges } from './merges.ts'
import type { Metrics } from './metrics.ts'

export { scopes, type Scope } from '../registry/keys.ts'

/** What the routes work with. */
export interface ServerContext {
  readonly store: Store
  readonly model: LiveModel
  readonly adapters: AdapterRegistry
  /** Stores completions; its redactor is that of all feedback. */
  readonly capture: Capture
  readonly keys: Keys
  readonly audit: Audit
  /** Fine-tuning jobs, and the files that they are made of. */
  readonly jobs: Jobs
  /** What jobs and the operator's own recipes have trained. */
  readonly runs: Runs
  /** Models measured on suites, by request and after jobs. */
  readonly evaluations: Evaluations
  /** The way of completions to the model. */
  readonly inference: Inference
  /** Rows as training sees them. */
  readonly rows: RowReader
  /** Advice on what there is to learn from, and what a job will take. */
  readonly advisor: Advisor
  /** Adapters that are written into the weights of the base. */
  readonly merges: Merges
  readonly metrics: Metrics
  /** Notes a fault of ours: clients are told only that there was one. */
  onFault(error: unknown, requestId: string): void
  readonly settings: ServerSettings
  /** Milliseconds since 1970. */
  readonly startedAt: number
}

export interface ServerSettings {
  /** The base's name in the API. */
  readonly modelName: string
  /** What the base was loaded from: hub id, path or package. */
  readonly modelRef: string
  /** Everything of the server's lies under it: store, blobs, adapters, jobs. */
  readonly directory: string
  /** Folders under which `lora_path` may lie; the first is where jobs put their adapters. */
  readonly adapterRoots: readonly string[]
}

/** What hono's contexts carry: Node's side of the call, and what the guard found out of it. */
export interface RequestVariables {
  readonly Bindings: HttpBindings
  readonly Variables: {
    /** undefined: no key, from loopback. */
    readonly keyId: string | undefined
    readonly requestId: string
  }
}

