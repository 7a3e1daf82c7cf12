import { loadModel, type LoadedModel } from '../generate/model.ts'
import { precisions } from '../models/graph/linear-maps.ts'
import type { FetchProgress } from '../models/sources/hub.ts'
import { choiceOption, type Command, type Context, numberOption, type Option, required } from './command.ts'
import { createProgress, type Progress } from './progress.ts'

/** The options of every command that runs a model. */
export const modelOptions = {
  model: { type: 'string', value: 'MODEL', help: 'a Hugging Face id, a directory, a .gguf file or package:NAME' },
  adapter: { type: 'string', value: 'DIR', help: 'a LoRA adapter (a directory in PEFT\'s form)' },
  precision: { type: 'string', value: 'P', help: 'of the base: f32 (default), int8, int4 or nf4' },
  device: { type: 'string', value: 'D', help: 'cpu (default) or webgpu' },
  threads: { type: 'string', value: 'N', help: 'CPU threads to use (default: one for each core)' },
} as const satisfies Readonly<Record<string, Option>>

/** Loads the model that the options name; whoever calls closes it. */
export async function openModel(command: Pick<Command, 'name' | 'usage'>, { options, terminal }: Context<typeof modelOptions>): Promise<LoadedModel> {
  const ref = required(command, 'model', options.model)
  const progress = createProgress(terminal.log)
  const model = await loadModel(ref, {
    adapter: options.adapter,
    precision: choiceOption('precision', options.precision, precisions),
    device: choiceOption('device', options.device, ['cpu', 'webgpu']),
    threads: numberOption('threads', options.threads, { min: 1, max: 1024, integer: true }),
    onProgress: showFetch(progress),
  })
  progress.end()
  return model
}

/** Shows a download as progress. */
export function showFetch(progress: Progress): (state: FetchProgress) => void {
  return ({ label, received, total }) => {
    progress.update({ label, done: received, total, unit: 'bytes' })
  }
}
