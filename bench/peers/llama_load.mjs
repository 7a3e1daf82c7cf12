/**
 * Many clients of one llama.cpp context (node-llama-cpp): a sequence for each, which decode together; continuous batching.
 *
 *     node bench/peers/llama_load.mjs --model FILE.gguf --requests FILE.jsonl [--clients 64] [--threads 2]
 *
 * Greedy, to the end token or the request's limit; what a sequence's prompt has in common with the one before is not computed
 * again. Prints one JSON line: tokens a second over all of it, and the latency of an answer in milliseconds.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { getLlama, LlamaLogLevel } from 'node-llama-cpp'

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string' },
    requests: { type: 'string' },
    clients: { type: 'string', default: '64' },
    threads: { type: 'string', default: '2' },
  },
})
const clients = Number(flags.clients)
const threads = Number(flags.threads)

const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: LlamaLogLevel.error })
const model = await llama.loadModel({ modelPath: flags.model })
const requests = readFileSync(flags.requests, 'utf8').trim().split('\n').map((line) => JSON.parse(line))
const prompts = requests.map(({ messages }) => model.tokenize(chatText(messages), true))
const contextSize = Math.max(...requests.map(({ maxTokens }, i) => prompts[i].length + maxTokens)) + 1
const context = await model.createContext({ sequences: clients, contextSize, batchSize: 512, threads: { ideal: threads, min: threads } })

let next = 0
let tokens = 0
const latencies = []
const start = performance.now()
await Promise.all(Array.from({ length: clients }, async () => {
  const sequence = context.getSequence()
  for (let i = next++; i < requests.length; i = next++) {
    const began = performance.now()
    const produced = await answer(sequence, prompts[i], requests[i].maxTokens)
    tokens += produced
    latencies.push(performance.now() - began)
  }
}))
const seconds = (performance.now() - start) / 1000
latencies.sort((a, b) => a - b)
const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))]
console.log(JSON.stringify({ tokensPerSecond: tokens / seconds, p50: at(0.5), p95: at(0.95) }))
await llama.dispose()

async function answer(sequence, prompt, maxTokens) {
  await sequence.adaptStateToTokens(prompt.slice(0, -1))
  let produced = 0
  for await (const token of sequence.evaluate(prompt.slice(sequence.nextTokenIndex), { temperature: 0, yieldEogToken: true })) {
    produced++
    if (produced === maxTokens || model.isEogToken(token)) break
  }
  return produced
}

/** ChatML as SmolLM2's template renders it, with its own system turn where there is none. */
function chatText(messages) {
  const system = { role: 'system', content: 'You are a helpful AI assistant named SmolLM, trained by Hugging Face' }
  const turns = messages[0].role === 'system' ? messages : [system, ...messages]
  return `${turns.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join('')}<|im_start|>assistant\n`
}
