import { UserError } from '../errors.ts'
import type { ModelConfig } from '../models/config.ts'
import { cacheDirectory } from '../models/sources/cache.ts'
import { openModel } from '../models/open.ts'
import type { Precision } from '../models/graph/parts.ts'
import type { FetchProgress } from '../models/sources/hub.ts'
import { resolveModel } from '../models/sources/source.ts'
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import type { Device } from '../runtime/device.ts'
import { WorkerClient, siblingModule } from '../runtime/worker.ts'
import { checkGenerateRequest, checkIds } from './check-request.ts'
import type { Completion, GenerateRequest } from './completion.ts'
import type { OpenRequest, TokenEvent } from './service.ts'

export interface LoadOptions {
  /** Directory of a PEFT LoRA adapter. */
  readonly adapter?: string | undefined
  /** How the base is stored and multiplied; f32 unless given. */
  readonly precision?: Precision | undefined
  readonly device?: Device | undefined
  /** Threads of one operator; one for each core unless given. */
  readonly threads?: number | undefined
  readonly onProgress?: ((progress: FetchProgress) => void) | undefined
}

/** A model in a worker thread of its own. */
export interface LoadedModel extends AsyncDisposable {
  readonly config: ModelConfig
  readonly tokenizer: Tokenizer
  /** For each sequence of n token ids, natural log-probabilities of its last n − 1 tokens given those before. */
  score(sequences: readonly { readonly ids: readonly number[] }[]): Promise<Float32Array[]>
  /**
   * Completes prompts, all in one batch: the first request's samples, then the second's, and so on. A completion does
   * not depend on the others. `onToken` hears of each token: its request's index and sample, its id, and the text that
   * can be printed by then.
   * Throws a UserError for a sampling parameter out of range or a prompt longer than the model's context.
   */
  generate(requests: readonly GenerateRequest[], onToken?: (event: TokenEvent) => void): Promise<Completion[]>
  close(): Promise<void>
}

/**
 * Loads a model to score and generate with.
 * @param ref Hugging Face id, directory, .gguf file or `package:NAME`
 * @throws UserError where the model or the adapter is missing, damaged, or does not fit
 */
export async function loadModel(ref: string, options: LoadOptions = {}): Promise<LoadedModel> {
  const { adapter, precision = 'f32', device = 'cpu', threads, onProgress } = options
  if (device === 'webgpu' && precision === 'nf4') throw new UserError('nf4 runs on the cpu only: take int4', { exitCode: 2 })
  const path = await resolveModel(ref, onProgress === undefined ? {} : { onProgress })
  const { config, tokenizer, close } = await openModel(path)
  close()
  const worker = new WorkerClient(siblingModule(import.meta, './service'))
  const request: OpenRequest = { model: path, adapter, precision, device, threads, cache: cacheDirectory() }
  try {
    await worker.call('open', request)
  } catch (error) {
    await worker.close()
    throw error
  }
  return {
    config,
    tokenizer,
    score: async (sequences) => {
      for (const { ids } of sequences) checkIds(ids, config, 'sequence')
      return worker.call('score', sequences.map(({ ids }) => ids))
    },
    generate: async (requests, onToken) => {
      for (const each of requests) checkGenerateRequest(each, config)
      return worker.call('generate', requests, onToken)
    },
    close: () => worker.close(),
    [Symbol.asyncDispose]: () => worker.close(),
  }
}
