import type { ModelConfig } from './config.ts'
import type { Tokenizer } from './tokenizer/tokenizer.ts'

/** One stored tensor, as its file has it. */
export interface TensorEntry {
  /** Outermost dimension first, as in Hugging Face files: a linear layer is [out, in]. */
  readonly shape: readonly number[]
  /** The stored type: F32, F16, BF16, or a GGUF block type such as Q4_1. */
  readonly dtype: string
}

/** Tensors that can be read one at a time, in f32, under their Hugging Face names. */
export interface TensorSource {
  readonly tensors: ReadonlyMap<string, TensorEntry>
  /** Row-major f32 values. Throws a UserError that names file and tensor if it is missing or damaged. */
  read(name: string): Float32Array<ArrayBuffer>
  close(): void
}

/** An opened model: a Hugging Face directory or a GGUF file, behind one interface. */
export interface ModelFiles extends TensorSource {
  /** The directory or the .gguf file. */
  readonly path: string
  /** Hex digest that changes when the weights do: name of the prepared weights in the cache. */
  readonly hash: string
  readonly config: ModelConfig
  readonly tokenizer: Tokenizer
}
