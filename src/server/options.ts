/** What a server is made of, and what its starter holds of it: without the types of the web framework, which ask for a browser's. */
import type { CustomPattern } from '../feedback/redact.ts'
import type { LiveModel, LiveOptions } from '../generate/live-model.ts'
import type { Webhook } from '../registry/webhooks.ts'
import type { ConnectionLimits } from './connections.ts'

export interface ServerOptions extends Pick<LiveOptions, 'precision' | 'threads' | 'maxAdapters' | 'maxRows' | 'maxRank'> {
  /** Hugging Face id, directory, .gguf file or `package:NAME`. */
  readonly model: string
  /** The base's name in the API; made from `model` unless given. */
  readonly name?: string | undefined
  /** Everything that outlives the server lies under it. */
  readonly directory: string
  /** `postgres://…` in place of a database file in the directory. */
  readonly database?: string | undefined
  /** 127.0.0.1 unless given. */
  readonly host?: string | undefined
  /** 0 takes a free one; 8000 unless given. */
  readonly port?: number | undefined
  /** Adapters to be served, by name. */
  readonly adapters?: Readonly<Record<string, string>> | undefined
  /** Folders besides `directory`/adapters under which `lora_path` may lie. */
  readonly adapterRoots?: readonly string[] | undefined
  /** Folders below which runs lie that no job made: they are shown beside the jobs. */
  readonly runRoots?: readonly string[] | undefined
  /** Names besides those of loopback under which the server may be called. */
  readonly allowedHosts?: readonly string[] | undefined
  /** Calls from this machine need a key too. Where `host` is not loopback every call needs one anyway. */
  readonly requireKey?: boolean | undefined
  /** Whether completions are stored, where requests do not opt out. */
  readonly store?: boolean | undefined
  readonly retentionDays?: number | undefined
  readonly redact?: boolean | undefined
  /** What to take out of texts beside what is known. */
  readonly redactPatterns?: readonly CustomPattern[] | undefined
  /** Networks (CIDR) that addresses in requests may be of, though they are private. */
  readonly allowedAddresses?: readonly string[] | undefined
  /** Told of every job that ends; its address may be any. */
  readonly webhook?: Webhook | undefined
  /** The fewest rows of a training file; 10 unless given, as OpenAI has it. */
  readonly minimumTrainingRows?: number | undefined
  /** Whether what a job has made is measured on the job's held-out rows, with the base and its ancestors; true unless given. */
  readonly evaluateJobs?: boolean | undefined
  /** Most answers that are computed or wait at once; 512 unless given. */
  readonly maxAnswers?: number | undefined
  /** How long the reader of a stream may pause before it is cut off, in milliseconds; 30 s unless given. */
  readonly stallTime?: number | undefined
  /** How long running answers may go on when the server is closed, in milliseconds; 30 s unless given. */
  readonly graceTime?: number | undefined
  readonly connections?: ConnectionLimits | undefined
  /** Hears of what an operator should know. */
  readonly log?: ((line: string) => void) | undefined
  /** In place of the engine: a model that a test is in command of. */
  readonly openModel?: ((ref: string, options: LiveOptions) => Promise<LiveModel>) | undefined
}

export interface StartedServer extends AsyncDisposable {
  /** `http://127.0.0.1:8000` */
  readonly url: string
  /** Stops taking calls, lets running answers end within the grace time, and closes what was opened. */
  close(): Promise<void>
}
