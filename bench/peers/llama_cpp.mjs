/**
 * Greedy decoding by llama.cpp (node-llama-cpp), as a peer of `posttrain generate`.
 *
 *     node bench/peers/llama_cpp.mjs --model FILE.gguf [--batch 8] [--new-tokens 64] [--prompts FILE.jsonl] [--threads 2]
 *
 * The rows of a batch are sequences of one context that decode together. Each is one user turn of ChatML and decodes
 * exactly `--new-tokens`. Prints one JSON line; `tokens_per_second` counts what comes after every row's first token,
 * so that the prompts' own pass is left out, and is the better of two runs.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { getLlama, LlamaLogLevel } from 'node-llama-cpp'

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string' },
    prompts: { type: 'string', default: new URL('prompts.jsonl', import.meta.url).pathname },
    batch: { type: 'string', default: '1' },
    'new-tokens': { type: 'string', default: '64' },
    threads: { type: 'string', default: '2' },
  },
})
const batch = Number(flags.batch)
const newTokens = Number(flags['new-tokens'])
const threads = Number(flags.threads)

const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: LlamaLogLevel.error })
const model = await llama.loadModel({ modelPath: flags.model })
const prompts = readFileSync(flags.prompts, 'utf8').trim().split('\n').map((line) => JSON.parse(line).prompt)
const rows = Array.from({ length: batch }, (_, i) => chatTokens(prompts[i % prompts.length]))
const contextSize = Math.max(...rows.map((row) => row.length)) + newTokens + 1
const context = await model.createContext({
  sequences: batch,
  contextSize,
  batchSize: Math.max(512, batch),
  threads: { ideal: threads, min: threads },
})

const sequences = rows.map(() => context.getSequence())

let best = 0
for (let run = 0; run < 2; run++) best = Math.max(best, await decodeAll())
console.log(JSON.stringify({
  peer: 'node-llama-cpp',
  precision: 'Q4_1',
  threads,
  batch,
  new_tokens: newTokens,
  prompt_tokens: rows.reduce((sum, row) => sum + row.length, 0),
  tokens_per_second: Number(best.toFixed(4)),
  peak_mb: Number((process.resourceUsage().maxRSS / 1024).toFixed(1)),
}))
await llama.dispose()

/** ChatML with SmolLM2's own system turn, as its template renders it. */
function chatTokens(prompt) {
  const system = 'You are a helpful AI assistant named SmolLM, trained by Hugging Face'
  const text = `<|im_start|>system\n${system}<|im_end|>\n<|im_start|>user\n${prompt}<|im_end|>\n<|im_start|>assistant\n`
  return model.tokenize(text, true)
}

/** Tokens a second over all rows, from the moment when each row has its first token. */
async function decodeAll() {
  let started = 0
  let start = 0
  let counted = 0
  await Promise.all(rows.map(async (tokens, i) => {
    const sequence = sequences[i]
    await sequence.clearHistory()
    let produced = 0
    for await (const _ of sequence.evaluate(tokens, { temperature: 0, yieldEogToken: true })) {
      produced++
      if (produced === 1 && ++started === batch) start = performance.now()
      else if (started === batch) counted++
      if (produced === newTokens) break
    }
  }))
  return counted / ((performance.now() - start) / 1000)
}
