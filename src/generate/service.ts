/** The worker side of loadModel: one model, its scoring and its decoding graph, each compiled when first used. */
import type { ModelFiles } from '../models/files.ts'
import { withLora } from '../models/graph/lora.ts'
import { openModel } from '../models/open.ts'
import { frozenParts, type Precision } from '../models/graph/parts.ts'
import { loadAdapter } from '../models/peft.ts'
import { prepareWeights } from '../models/prepare.ts'
import type { DecoderParts } from '../models/graph/decoder.ts'
import type { Device } from '../runtime/device.ts'
import type { HostTensor } from '../runtime/program.ts'
import type { WeightFile } from '../runtime/weights.ts'
import { serve } from '../runtime/worker.ts'
import type { Completion, GenerateRequest } from './completion.ts'
import { Engine } from './engine.ts'
import { Scorer } from './scorer.ts'

export interface OpenRequest {
  /** Directory or .gguf file. */
  readonly model: string
  readonly adapter: string | undefined
  readonly precision: Precision
  readonly device: Device
  readonly threads: number | undefined
  /** Folder for prepared weights. */
  readonly cache: string
}

export interface TokenEvent {
  /** The request's place in its list, and the completion's among the request's samples. */
  readonly request: number
  readonly sample: number
  readonly id: number
  readonly text: string
}

interface Opened {
  readonly model: ModelFiles
  readonly parts: DecoderParts
  readonly parameters: Readonly<Record<string, HostTensor>>
  readonly placement: { readonly device: Device; readonly threads: number | undefined; readonly weights: WeightFile }
}

let opened: Opened | undefined
let scorer: Promise<Scorer> | undefined
let engine: Promise<Engine> | undefined

serve<TokenEvent>({
  async open({ model: path, adapter, precision, device, threads, cache }: OpenRequest): Promise<void> {
    const model = await openModel(path)
    const weights = prepareWeights(model, precision, cache)
    opened = { model, placement: { device, threads, weights }, ...adapted(model, adapter, precision) }
  },

  async score(sequences: readonly number[][]): Promise<Float32Array[]> {
    const { model, parts, parameters, placement } = current()
    scorer ??= Scorer.compile(model.config, parts, parameters, placement)
    return (await scorer).score(sequences)
  },

  async generate(requests: readonly GenerateRequest[], emit): Promise<Completion[]> {
    const { model, parts, parameters, placement } = current()
    engine ??= Engine.compile({ ...placement, config: model.config, parts, parameters, tokenizer: model.tokenizer })
    return (await engine).generate(requests, (request, sample, id, text) => { emit({ request, sample, id, text }) })
  },
})

function adapted(model: ModelFiles, adapter: string | undefined, precision: Precision): Pick<Opened, 'parts' | 'parameters'> {
  const base = frozenParts(model.config, precision)
  if (adapter === undefined) return { parts: base, parameters: {} }
  const { config, parameters: values } = loadAdapter(adapter, model.config)
  const { parts, parameters } = withLora(base, model.config, config)
  const feeds = [...parameters].map(([name, { shape }]) => [name, { data: values.get(name)!, shape: shape as number[] }] as const)
  return { parts, parameters: Object.fromEntries(feeds) }
}

function current(): Opened {
  if (opened === undefined) throw new Error('the model was not opened')
  return opened
}
