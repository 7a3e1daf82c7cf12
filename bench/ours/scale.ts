/**
 * One LoRA SFT step on a random model of a given size: time and peak memory. Prints one JSON line.
 *
 *     node bench/ours/scale.ts --size 135M|360M --length 512 --rows 2 [--precision f32|int8]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { prepareWeights } from '../../src/models/prepare.ts'
import { onePerBin } from '../../src/models/graph/forward.ts'
import type { Precision } from '../../src/models/graph/parts.ts'
import { randomModel, tinyConfig } from '../../src/models/random-model.ts'
import { Random } from '../../src/random.ts'
import { Learner } from '../../src/train/learner.ts'
import { scalar } from '../../src/train/learning/learning.ts'
import { sftLoss } from '../../src/train/learning/sft.ts'
import { peakMemoryMb } from '../../src/train/monitor.ts'
import { initialAdapter, loraPolicy, targetModules } from '../../src/train/policy.ts'
import { median } from '../table.ts'

/** The shapes of SmolLM2. */
const sizes = {
  '135M': { hiddenSize: 576, intermediateSize: 1536, layers: 30, heads: 9, kvHeads: 3, headDim: 64, vocabSize: 49152 },
  '360M': { hiddenSize: 960, intermediateSize: 2560, layers: 32, heads: 15, kvHeads: 5, headDim: 64, vocabSize: 49152 },
}

const { values: flags } = parseArgs({
  options: {
    size: { type: 'string', default: '135M' },
    length: { type: 'string', default: '512' },
    rows: { type: 'string', default: '2' },
    precision: { type: 'string', default: 'f32' },
  },
})
const [length, rows] = [Number(flags.length), Number(flags.rows)]
const precision = flags.precision as Precision
const model = { ...randomModel(tinyConfig(sizes[flags.size as keyof typeof sizes])), hash: `random-${flags.size}` }
const random = new Random(0)
const cache = mkdtempSync(join(tmpdir(), 'posttrain-scale-'))
try {
  const lora = { rank: 8, alpha: 16, rankStabilized: false, modules: targetModules(model.config, 'all-linear') }
  const adapter = initialAdapter(model.config, lora, () => random.uint32() / 2 ** 32)
  const policy = loraPolicy(model.config, adapter, precision, prepareWeights(model, precision, cache))
  const learner = await Learner.compile(policy, sftLoss(policy), { device: 'cpu', threads: 2 })
  const ids = Array.from({ length: rows }, () => Array.from({ length }, () => random.below(49152)))
  const masks = ids.map((row) => row.map((_, i) => (i >= length / 2 ? 1 : 0)))
  const seconds: number[] = []
  for (let step = 0; step < 4; step++) {
    const start = performance.now()
    await learner.run([{ batch: onePerBin(ids, masks), feeds: { per_token: scalar(1 / (rows * length / 2 - 1)) } }])
    if (step > 0) seconds.push((performance.now() - start) / 1000)
  }
  console.log(JSON.stringify({ seconds: median(seconds), tokens_per_second: (rows * length) / median(seconds), peak_mb: peakMemoryMb() }))
} finally {
  rmSync(cache, { recursive: true, force: true })
}
