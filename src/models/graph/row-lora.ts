/**
 * Low-rank adapters that differ from row to row of a batch (Chen et al. 2023; Sheng et al. 2023): y = W x + B A x, where
 * row i of the batch has its matrices in slot i of the graph inputs. Layers that share their input share a product with
 * their A matrices side by side. The factor α/r is in B, and what a row's adapter lacks is zeros: a row without an adapter
 * has the bits of the base.
 */
import { node } from '../../tensor/operator.ts'
import { add, matmul } from '../../tensor/operators.ts'
import { input, type Tensor } from '../../tensor/tensor.ts'
import type { ModelConfig } from '../config.ts'
import { linearShape, type DecoderParts } from './decoder.ts'
import type { FrozenParts } from './parts.ts'

/** Which linear layers of the blocks have slots: q, k, v and o, or all of them. */
export type AdaptedLayers = 'attention' | 'all'

/** Layers of one block that share their input. */
interface InputGroup {
  readonly name: string
  readonly modules: readonly string[]
  readonly attention: boolean
}

const inputGroups: readonly InputGroup[] = [
  { name: 'qkv', modules: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'], attention: true },
  { name: 'o', modules: ['self_attn.o_proj'], attention: true },
  { name: 'gate_up', modules: ['mlp.gate_proj', 'mlp.up_proj'], attention: false },
  { name: 'down', modules: ['mlp.down_proj'], attention: false },
]

/** A graph input that holds one kind of matrices of every row's adapter, for rank R. */
export interface SlotInput {
  readonly name: string
  /** `A`: [B, in, n R], the transposed A matrices of n modules side by side. `B`: [B, R, out], the transposed B of one. */
  readonly side: 'A' | 'B'
  readonly modules: readonly string[]
  /** `in` for A, `out` for B. */
  readonly size: number
}

/** The graph inputs of adapters, in the order of the layers. */
export function slotInputs(config: ModelConfig, layers: AdaptedLayers): SlotInput[] {
  return Array.from({ length: config.layers }, (_, layer) => groupsOf(layers).flatMap((group): SlotInput[] => {
    const modules = group.modules.map((module) => `model.layers.${layer}.${module}`)
    const [, inputs] = linearShape(config, modules[0]!)
    const ups = modules.map((module): SlotInput => ({ name: upName(module), side: 'B', modules: [module], size: linearShape(config, module)[0] }))
    return [{ name: downName(modules[0]!), side: 'A', modules, size: inputs }, ...ups]
  })).flat()
}

/** The shape of a slot input for so many rows. */
export function slotShape({ side, modules, size }: SlotInput, rows: number, rank: number): number[] {
  return side === 'A' ? [rows, size, modules.length * rank] : [rows, rank, size]
}

/** Most columns of a product with A matrices, for adapters of a rank. */
export function widestProduct(rank: number): number {
  return rank * Math.max(...inputGroups.map(({ modules }) => modules.length))
}

/** Adds slots for adapters to a frozen decoder. x is [B, S, in] with B rows, each with a slot of its own. */
export function withRowLora(base: FrozenParts, config: ModelConfig, layers: AdaptedLayers): DecoderParts {
  const covered = groupsOf(layers)
  /** A x of the modules that have the same input. */
  const products = new WeakMap<Tensor, readonly Tensor[]>()
  const linear = (module: string, x: Tensor): Tensor => {
    const y = base.linear(module, x)
    const group = covered.find(({ modules }) => modules.some((name) => module.endsWith(`.${name}`)))
    if (group === undefined) return y
    const place = group.modules.findIndex((name) => module.endsWith(`.${name}`))
    const [outputs, inputs] = linearShape(config, module)
    const first = module.slice(0, module.length - group.modules[place]!.length) + group.modules[0]!
    const downs = products.get(x) ?? productsWithA(x, first, inputs, group.modules.length)
    products.set(x, downs)
    return add(y, matmul(downs[place]!, input(upName(module), 'float32', ['B', 'R', outputs])))
  }
  return { ...base, linear }
}

/** One product, cut into the parts of each module. [B, S, in] -> n times [B, S, R] */
function productsWithA(x: Tensor, firstModule: string, inputs: number, modules: number): readonly Tensor[] {
  if (modules === 1) return [matmul(x, input(downName(firstModule), 'float32', ['B', inputs, 'R']))]
  const product = matmul(x, input(downName(firstModule), 'float32', ['B', inputs, `${modules}R`]))
  return node({
    type: 'Split',
    inputs: [product],
    attributes: { axis: -1, num_outputs: modules },
    outputs: Array.from({ length: modules }, () => ({ shape: product.shape.with(-1, 'R') })),
  })
}

function groupsOf(layers: AdaptedLayers): readonly InputGroup[] {
  return layers === 'all' ? inputGroups : inputGroups.filter(({ attention }) => attention)
}

/** The input that begins with this module's A, and the one of a module's B. */
function downName(module: string): string {
  return `${module}.slots_A`
}

function upName(module: string): string {
  return `${module}.slots_B`
}
