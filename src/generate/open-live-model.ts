import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { UserError } from '../errors.ts'
import type { ModelConfig } from '../models/config.ts'
import { openModel } from '../models/open.ts'
import { inspectAdapter } from '../models/peft.ts'
import { cacheDirectory } from '../models/sources/cache.ts'
import { resolveModel } from '../models/sources/source.ts'
import { WorkerClient, siblingModule } from '../runtime/worker.ts'
import { checkServed } from './check-adapter.ts'
import { checkGenerateRequest } from './check-request.ts'
import type { Completion } from './completion.ts'
import type { AdapterFacts, LiveModel, LiveOptions, LiveToken } from './live-model.ts'
import type { LiveCall, OpenLiveRequest } from './live-service.ts'

/**
 * Loads a model to serve, in a worker thread of its own.
 * @param ref Hugging Face id, directory, .gguf file or `package:NAME`
 * @throws UserError where the model is missing or damaged
 */
export async function openLiveModel(ref: string, options: LiveOptions = {}): Promise<LiveModel> {
  const { precision = 'int8', threads, maxAdapters = 64, maxRank = 64, maxRows = 64, ready = ['attention', 'all'] } = options
  const { cacheBytes = 4 * 2 ** 30, prefixBytes = 512 * 2 ** 20 } = options
  const path = await resolveModel(ref)
  const { config, tokenizer, close: closeFiles } = await openModel(path)
  closeFiles()
  const worker = new WorkerClient(siblingModule(import.meta, './live-service'))
  const request: OpenLiveRequest = {
    model: path, precision, threads, cache: cacheDirectory(), maxAdapters, maxRank, maxRows, cacheBytes, prefixBytes, ready,
  }
  try {
    await worker.call('open', request)
  } catch (error) {
    await worker.close()
    throw error
  }
  let tickets = 0
  const close = (): Promise<void> => worker.close('the model was closed')
  return {
    config,
    tokenizer,
    generate: async (request, onToken, signal) => {
      checkGenerateRequest(request, config)
      if (request.adapter !== undefined) checkRef(request.adapter)
      return answer(worker, { ticket: tickets++, request }, onToken, signal)
    },
    inspect: (directory) => inspect(directory, config, maxRank),
    pin: async (adapter) => worker.call('pin', checkRef(adapter)),
    unpin: (id) => worker.call('unpin', id),
    drop: (id) => worker.call('drop', id),
    stats: () => worker.call('stats', undefined),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Asks the worker; who gives up is told so at once, and hears no more tokens. */
async function answer(
  worker: WorkerClient, call: LiveCall, onToken: ((token: LiveToken) => void) | undefined, signal: AbortSignal | undefined,
): Promise<Completion[]> {
  signal?.throwIfAborted()
  const hear = onToken && ((token: LiveToken) => { if (signal?.aborted !== true) onToken(token) })
  const result = worker.call<Completion[]>('generate', call, hear)
  if (signal === undefined) return result
  let giveUp: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    giveUp = () => {
      reject(signal.reason as Error)
      // The worker may have ended: then there is nothing to cancel.
      worker.call('cancel', call.ticket).catch(() => undefined)
    }
    signal.addEventListener('abort', giveUp, { once: true })
  })
  result.catch(() => undefined)
  try {
    return await Promise.race([result, aborted])
  } finally {
    signal.removeEventListener('abort', giveUp!)
  }
}

async function inspect(directory: string, config: ModelConfig, maxRank: number): Promise<AdapterFacts> {
  const lora = inspectAdapter(directory, config)
  checkServed(directory, lora, maxRank)
  const hash = createHash('sha256')
  let bytes = 0
  await pipeline(createReadStream(join(directory, 'adapter_model.safetensors')), async (chunks: AsyncIterable<Uint8Array>) => {
    for await (const chunk of chunks) {
      bytes += chunk.length
      hash.update(chunk)
    }
  })
  return { rank: lora.rank, bytes, sha256: hash.digest('hex') }
}

function checkRef<Ref extends { readonly id: string; readonly directory: string }>(ref: Ref): Ref {
  if (ref.id === '' || ref.directory === '') throw new UserError('an adapter needs an id and a directory', { exitCode: 2 })
  return ref
}
