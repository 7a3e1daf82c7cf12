import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './process.ts'

/** The GGUF's model as an f32 Hugging Face directory with the right tokenizer, for the peers that read no GGUF. */
export async function hubDirectory(python: string, gguf: string): Promise<string> {
  const directory = join(import.meta.dirname, '.cache', 'smollm2-f32')
  if (!existsSync(join(directory, 'model.safetensors'))) {
    await run(python, [join(import.meta.dirname, 'parity', 'smollm2.py'), gguf, '--directory', directory])
  }
  return directory
}
