/** Advice as a program's part. */
import type { FetchProgress } from '../models/sources/hub.ts'
import { resolveModel } from '../models/sources/source.ts'
import type { Advice } from './advise.ts'
import { Advisor } from './advisor.ts'
import type { SituationId } from './decision-table.ts'
import type { StoreFacts } from './facts.ts'
import type { FullAdvice } from './gather.ts'
import { runsIn } from './run-facts.ts'

export interface AdviseOptions {
  /** Files of rows of any kind; none where a goal alone, or a store, is to be advised on. */
  readonly data?: readonly string[] | undefined
  /** A file of rows that are held out. */
  readonly eval?: string | undefined
  /** The model to train: hub id, directory, .gguf file or package:NAME. Unless given, none is opened, and there are no estimates. */
  readonly model?: string | undefined
  /** What it is for, where the data do not say. */
  readonly goal?: SituationId | undefined
  /** The folder below which runs lie that have ended (`runs`): they say which stage comes next, and how fast this machine is. */
  readonly runs?: string | undefined
  /** For a machine with so much memory, MiB; this one unless given. */
  readonly memoryMb?: number | undefined
  /** Models that are to differ, as for N customers. */
  readonly variants?: number | undefined
  /** What a server has collected, in place of files. */
  readonly store?: StoreFacts | undefined
  readonly onProgress?: ((progress: FetchProgress) => void) | undefined
}

/** Advice with what each of its runs will take; null where the rows are not there yet, or no model was opened. */
export interface EstimatedAdvice extends Advice {
  readonly estimates: FullAdvice['estimates']
}

const defaultModel = 'HuggingFaceTB/SmolLM2-135M-Instruct'

/**
 * Says which technique a team's data call for, and why, with recipes that `train` takes, in a thread of its own.
 * @throws UserError where a file or the model cannot be read
 */
export async function advise({ data = [], eval: heldOut, model, goal, runs = 'runs', memoryMb, variants, store, onProgress }: AdviseOptions): Promise<EstimatedAdvice> {
  const path = model === undefined ? undefined : await resolveModel(model, onProgress === undefined ? {} : { onProgress })
  const name = model ?? defaultModel
  await using advisor = new Advisor()
  const { advice, estimates } = await advisor.advise({
    files: data.map((file) => ({ path: file, name: file })),
    heldOut: heldOut === undefined ? undefined : { path: heldOut, name: heldOut },
    model: { name, path }, runs: runsIn(runs, name), goal, memoryMb, variants, store,
  })
  return { ...advice, estimates }
}
