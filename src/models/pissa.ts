/**
 * PiSSA (Meng et al. 2024): an adapter that begins as the largest singular part of each weight, over a base that is what
 * remains. Where the base is quantized, it is the remainder that is: its values are smaller, and so are its errors.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ModelFiles } from './files.ts'
import { linearShape } from './graph/decoder.ts'
import { loraNames, loraScale, type Adapter, type LoraConfig } from './graph/lora.ts'
import { addProduct } from './low-rank.ts'
import { loadAdapter, saveAdapter } from './peft.ts'
import { largestSingular } from './svd.ts'

/** What training needs of a model as its frozen base. */
export type BaseModel = Pick<ModelFiles, 'config' | 'hash' | 'read'>

/** s B A is the best approximation of rank r to W: B = U √(Σ / s), A = √(Σ / s) Vᵀ. Kept in the cache: it takes a while. */
export async function pissaAdapter(model: BaseModel, lora: LoraConfig, cache: string): Promise<Adapter> {
  const directory = join(cache, 'prepared', `${pissaHash(model, lora).slice(0, 24)}-pissa`)
  if (existsSync(directory)) return loadAdapter(directory, model.config)
  const parameters = new Map<string, Float32Array<ArrayBuffer>>()
  for (const module of lora.modules) {
    const [outputs, inputs] = linearShape(model.config, module)
    const { values, left, right } = largestSingular(model.read(`${module}.weight`), outputs, inputs, lora.rank)
    const names = loraNames(module)
    const [a, b] = [new Float32Array(lora.rank * inputs), new Float32Array(outputs * lora.rank)]
    values.forEach((value, r) => {
      const root = Math.sqrt(value / loraScale(lora))
      right[r]!.forEach((v, i) => { a[r * inputs + i] = root * v })
      left[r]!.forEach((u, i) => { b[i * lora.rank + r] = root * u })
    })
    parameters.set(names.a, a).set(names.b, b)
  }
  const adapter = { config: lora, parameters }
  await saveAdapter(directory, adapter, model.config, null)
  return adapter
}

/** The model less an adapter: W − s B A. Its hash is its own, so that it has prepared weights of its own. */
export function residualBase(model: BaseModel, { config: lora, parameters }: Adapter): BaseModel {
  const adapted = new Map(lora.modules.map((module) => [`${module}.weight`, module]))
  return {
    config: model.config,
    hash: pissaHash(model, lora),
    read(name) {
      const values = model.read(name)
      const module = adapted.get(name)
      if (module === undefined) return values
      const { a, b } = loraNames(module)
      addProduct(values, parameters.get(b)!, parameters.get(a)!, linearShape(model.config, module), lora.rank, -loraScale(lora))
      return values
    },
  }
}

function pissaHash({ hash }: BaseModel, lora: LoraConfig): string {
  return createHash('sha256').update(JSON.stringify(['pissa', hash, lora])).digest('hex')
}

/**
 * The change that training made, as an ordinary adapter of the model itself: s (B A − B₀ A₀) is s [B, −B₀] [A; A₀], of
 * twice the rank, with α such that s is the same (as PEFT converts it).
 */
export function asOrdinaryAdapter(trained: Adapter, initial: ReadonlyMap<string, Float32Array>): Adapter {
  const { config: lora, parameters } = trained
  const rank = 2 * lora.rank
  const alpha = loraScale(lora) * (lora.rankStabilized ? Math.sqrt(rank) : rank)
  const joined = new Map<string, Float32Array<ArrayBuffer>>()
  for (const module of lora.modules) {
    const { a, b } = loraNames(module)
    joined.set(a, Float32Array.from([...parameters.get(a)!, ...initial.get(a)!]))
    joined.set(b, joinedColumns(parameters.get(b)!, initial.get(b)!, lora.rank))
  }
  return { ...trained, config: { ...lora, rank, alpha }, parameters: joined }
}

/** [B, −B₀] row by row. Both [out, rank] */
function joinedColumns(b: Float32Array, initial: Float32Array, rank: number): Float32Array<ArrayBuffer> {
  const joined = new Float32Array(2 * b.length)
  for (let i = 0; i < b.length; i++) {
    const [row, column] = [Math.floor(i / rank), i % rank]
    joined[2 * rank * row + column] = b[i]!
    joined[2 * rank * row + rank + column] = -initial[i]!
  }
  return joined
}
