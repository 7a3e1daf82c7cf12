import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { extname } from 'node:path'
import { UserError } from '../errors.ts'
import { ByteFile } from './formats/byte-file.ts'
import type { ModelFiles } from './files.ts'
import { openGguf } from './formats/gguf.ts'
import { openHuggingFace } from './formats/huggingface.ts'
import type { ModelWeights } from './formats/huggingface.ts'
import { pickleError } from './formats/safetensors-header.ts'
import { tokenizerFromGguf } from './tokenizer/tokenizer-gguf.ts'
import { tokenizerFromDirectory } from './tokenizer/tokenizer-directory.ts'
import type { Tokenizer } from './tokenizer/tokenizer.ts'

/**
 * Opens a model: a Hugging Face directory or a .gguf file. Weights are read when asked for; close() when done.
 *
 * Throws a UserError that names the file and what is wrong with it.
 */
export async function openModel(path: string): Promise<ModelFiles> {
  const status = statSync(path, { throwIfNoEntry: false })
  if (status === undefined) throw new UserError(`There is no model at ${path}`)
  if (status.isDirectory()) {
    return withTokenizer(path, openHuggingFace(path), () => tokenizerFromDirectory(path))
  }
  refuseOtherFiles(path)
  const model = openGguf(path)
  return withTokenizer(path, model, () => tokenizerFromGguf(model.metadata))
}

function refuseOtherFiles(path: string): void {
  const extension = extname(path).toLowerCase()
  if (['.bin', '.pt', '.pth', '.pkl', '.ckpt'].includes(extension)) throw pickleError(path)
  if (extension === '.safetensors') {
    throw new UserError(`${path} holds weights alone: give the directory that has its config.json and tokenizer.json`)
  }
}

async function withTokenizer(
  path: string, weights: ModelWeights, open: () => Tokenizer | Promise<Tokenizer>,
): Promise<ModelFiles> {
  try {
    const tokenizer = await open()
    let hash: string | undefined
    return {
      path, tokenizer,
      config: weights.config,
      tensors: weights.tensors,
      read: weights.read,
      close: weights.close,
      get hash() { return hash ??= contentHash(weights) },
    }
  } catch (error) {
    weights.close()
    throw error
  }
}

/** SHA-256 over the configuration and every byte of the weight files: no time stamp or size stands in for content. */
function contentHash({ config, weightFiles }: ModelWeights): string {
  const hash = createHash('sha256').update(JSON.stringify(config))
  const block = new Uint8Array(8 << 20)
  for (const path of weightFiles) {
    const file = new ByteFile(path)
    hash.update(`\0${file.size}\0`)
    for (let at = 0; at < file.size; at += block.length) {
      const bytes = block.subarray(0, Math.min(block.length, file.size - at))
      file.readInto(bytes, at)
      hash.update(bytes)
    }
    file.close()
  }
  return hash.digest('hex')
}
