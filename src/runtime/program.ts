import * as ort from 'onnxruntime-node'
import { encodeOnnx } from '../tensor/onnx.ts'
import type { Tensor } from '../tensor/tensor.ts'
import type { Device } from './device.ts'
import { assertAvailable, explainDevice } from './device.ts'
import { lowerForWebgpu } from './webgpu.ts'
import type { WeightFile } from './weights.ts'

/** Values in the host's memory, row-major. */
export interface HostTensor {
  readonly data: HostData
  readonly shape: readonly number[]
}
export type HostData = Float32Array | BigInt64Array | Uint8Array

export interface CompileOptions {
  readonly device: Device
  /** Threads for one operator; undefined: ONNX Runtime's choice, one for each core. */
  readonly threads?: number | undefined
  /** The file that holds the graph's weights; may be left out where there are none. */
  readonly weights?: WeightFile | undefined
  /**
   * Rearrange frozen weights for the kernels when compiling. Faster products, at the price of a private copy of each
   * weight beside the memory-mapped one.
   */
  readonly prepack?: boolean
  /** Give memory back after each run: for a graph that runs now and then beside another one. */
  readonly shrink?: boolean
}

/** A compiled graph. Runs block the thread that they are called on: long work belongs in a worker (worker.ts). */
export class Program {
  readonly #session: ort.InferenceSession
  readonly #inputs: readonly string[]

  #released = false
  readonly #runOptions: ort.InferenceSession.RunOptions

  private constructor(session: ort.InferenceSession, inputs: readonly string[], { device, shrink = false }: CompileOptions) {
    this.#session = session
    this.#inputs = inputs
    const shrinks = shrink && device === 'cpu'
    this.#runOptions = shrinks ? { extra: { memory: { enable_memory_arena_shrinkage: 'cpu:0' } } } : {}
  }

  /** @param outputs the values to compute, by the name under which `run` returns them */
  static async compile(outputs: ReadonlyMap<string, Tensor>, options: CompileOptions): Promise<Program> {
    assertAvailable(options.device)
    const { weights } = options
    const graph = options.device === 'webgpu' ? lowerForWebgpu(outputs) : outputs
    const model = encodeOnnx(graph, (name) => {
      if (weights === undefined) throw new Error(`the graph uses the weight ${name}, but no weight file was given`)
      return weights.locate(name)
    })
    try {
      return new Program(await ort.InferenceSession.create(model.bytes, sessionOptions(options)), model.inputs, options)
    } catch (error) {
      throw explainDevice(options.device, error)
    }
  }

  /** The names under which `run` returns values. */
  get outputs(): readonly string[] {
    return this.#session.outputNames
  }

  /**
   * Feeds that the graph does not use are ignored.
   * @param outputs which values to return; the others are not copied to the host. All of them unless given
   */
  async run(feeds: Readonly<Record<string, HostTensor>>, outputs?: readonly string[]): Promise<Record<string, HostTensor>> {
    const fed: Record<string, ort.Tensor> = {}
    for (const name of this.#inputs) {
      const value = feeds[name]
      if (value === undefined) throw new Error(`the graph's input ${name} was not fed`)
      fed[name] = toOrt(value)
    }
    const results = await this.#session.run(fed, outputs ?? this.outputs, this.#runOptions)
    return Object.fromEntries(
      Object.entries(results).map(([name, tensor]) => [name, { data: tensor.data as HostData, shape: tensor.dims }]),
    )
  }

  /** Frees the graph's memory; a second call does nothing. */
  async release(): Promise<void> {
    if (this.#released) return
    this.#released = true
    await this.#session.release()
  }
}

/** How ONNX Runtime is to compile and run a graph. */
export function sessionOptions(options: CompileOptions): ort.InferenceSession.SessionOptions {
  return {
    executionProviders: [options.device],
    graphOptimizationLevel: 'all',
    // The pattern planner keeps the largest shape ever seen allocated: off, a training graph takes half the memory.
    enableMemPattern: false,
    enableCpuMemArena: true,
    logSeverityLevel: 3,
    ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
    extra: {
      // Folding would unpack 4-bit weights when compiling, and keep them as f32.
      ...(options.device === 'cpu' ? { optimization: { disable_specified_optimizers: 'ConstantFolding' } } : {}),
      session: {
        // Threads wait awake from one operator of a run to the next, which saves waking them a thousand times a token, but
        // not for longer: those of an idle session would slow the others.
        intra_op: { allow_spinning: '1', spin_duration_us: '200' },
        ...(options.prepack === false ? { disable_prepacking: '1' } : {}),
        ...(options.weights === undefined ? {} : { model_external_initializers_file_folder_path: options.weights.folder }),
      },
    },
  }
}

/** Host tensors that are fed again and again are wrapped once. */
const wrapped = new WeakMap<HostTensor, ort.Tensor>()

function toOrt(tensor: HostTensor): ort.Tensor {
  const known = wrapped.get(tensor)
  if (known !== undefined) return known
  const made = wrap(tensor)
  wrapped.set(tensor, made)
  return made
}

function wrap({ data, shape }: HostTensor): ort.Tensor {
  if (data instanceof Float32Array) return new ort.Tensor('float32', data, shape)
  if (data instanceof BigInt64Array) return new ort.Tensor('int64', data, shape)
  return new ort.Tensor('uint8', data, shape)
}
