/**
 * What llama.cpp (node-llama-cpp) makes of a GGUF file: token ids of texts and greedy answers.
 *
 *     node bench/peers/llama_check.mjs --model FILE.gguf [--new-tokens 16] < rows.jsonl
 *
 * Each line of the input is `{"text"}` (control tokens in it are ordinary characters) or `{"ids"}`, each line of the
 * output `{"ids"}` for a text, `{"greedy": what follows the ids, end token included}` for ids.
 */
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { getLlama, LlamaLogLevel } from 'node-llama-cpp'

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string' },
    'new-tokens': { type: 'string', default: '16' },
    threads: { type: 'string', default: '2' },
  },
})
const llama = await getLlama({
  gpu: false, build: 'never', maxThreads: Number(flags.threads), logLevel: LlamaLogLevel.error,
})
const model = await llama.loadModel({ modelPath: flags.model })
const rows = (await text(process.stdin)).split('\n').filter((line) => line.trim() !== '').map((line) => JSON.parse(line))
const longest = Math.max(0, ...rows.map((row) => row.ids?.length ?? 0))
const context = longest === 0 ? undefined : await model.createContext({ contextSize: longest + Number(flags['new-tokens']) + 1 })
const sequence = context?.getSequence()

for (const row of rows) {
  const answer = row.ids === undefined ? { ids: model.tokenize(row.text, false) } : { greedy: await greedy(row.ids) }
  console.log(JSON.stringify(answer))
}
await llama.dispose()

async function greedy(ids) {
  const found = []
  await sequence.clearHistory()
  for await (const token of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
    found.push(token)
    if (found.length === Number(flags['new-tokens']) || model.isEogToken(token)) break
  }
  return found
}
