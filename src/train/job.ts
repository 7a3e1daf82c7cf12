/** What the process of a job is asked, and what it answers: plain data over its IPC channel. */
import type { DataKindName } from '../data/kinds.ts'
import type { TrainEvent, TrainResult } from './events.ts'
import type { Comparison } from './job-comparison.ts'
import type { RecipeInput } from './recipe.ts'
import type { StopRequest } from './stop.ts'

/** Checks the files of a job without training. */
export interface CheckRequest {
  readonly type: 'check'
  readonly files: readonly JobFile[]
  readonly kind: DataKindName
  /** The fewest rows that the first file may have. */
  readonly minimumRows: number
}

export interface JobFile {
  readonly path: string
  /** What the client calls it. */
  readonly name: string
  /** The request's key that named it. */
  readonly param: 'training_file' | 'validation_file'
}

/** Trains, or goes on with a run that was begun. */
export interface RunJobRequest {
  readonly type: 'run'
  /** Its paths absolute; `output` is the run's folder. */
  readonly recipe: RecipeInput
  /** Where the adapter is put; its checkpoints' beside it, with `-ckpt-step-N` after the name. */
  readonly adapter: string
  /** It has been told to finish: at the checkpoint from which it goes on, or after its first step. */
  readonly finish: boolean
}

/** Compares the adapter of a finished run with the one in use. */
export interface CompareRequest {
  readonly type: 'compare'
  /** The run's folder. */
  readonly run: string
  readonly candidate: string
  /** Folder of the adapter in use; null: the base alone. */
  readonly incumbent: string | null
}

export type JobRequest = CheckRequest | RunJobRequest | CompareRequest

/** What else the process is told while it trains; the last one counts. */
export interface StopCommand {
  readonly type: 'stop'
  readonly request: StopRequest
}

export type JobMessage =
  | { readonly type: 'event'; readonly event: TrainEvent }
  /** An adapter made of a checkpoint lies in `directory`. */
  | { readonly type: 'checkpoint'; readonly step: number; readonly directory: string }
  | { readonly type: 'checked'; readonly rows: readonly number[] }
  /** The adapter lies in its place where the run was not stopped before its end. */
  | { readonly type: 'done'; readonly result: TrainResult }
  /** undefined: there are no held-out rows. */
  | { readonly type: 'compared'; readonly comparison: Comparison | undefined }
  | { readonly type: 'failed'; readonly failure: JobFailure }

export interface JobFailure {
  readonly message: string
  /** Whether the user can do something about it; otherwise it is a fault of ours, and `stack` says where. */
  readonly user: boolean
  readonly param?: JobFile['param'] | undefined
  readonly stack?: string | undefined
}

/** Where the adapter of a checkpoint lies. @param adapter the job's own folder */
export function checkpointDirectory(adapter: string, step: number): string {
  return `${adapter}-ckpt-step-${step}`
}
