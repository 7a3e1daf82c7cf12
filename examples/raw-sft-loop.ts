/**
 * Supervised fine-tuning with LoRA from top to bottom, without train(): what `posttrain train` does, laid open.
 *
 *     node examples/raw-sft-loop.ts [MODEL [OUTPUT]]
 *
 * MODEL is a Hugging Face directory or a .gguf file (a tiny random model unless given), OUTPUT the adapter's directory.
 */
import { join } from 'node:path'
import { packRows } from '../src/data/pack.ts'
import { renderRow } from '../src/data/render.ts'
import { cacheDirectory } from '../src/models/sources/cache.ts'
import { linearModules } from '../src/models/graph/decoder.ts'
import { forwardFeeds, packedLogprobs } from '../src/models/graph/forward.ts'
import { loraShapes, withLora } from '../src/models/graph/lora.ts'
import { openModel } from '../src/models/open.ts'
import { frozenParts } from '../src/models/graph/parts.ts'
import { saveAdapter } from '../src/models/peft.ts'
import { prepareWeights } from '../src/models/prepare.ts'
import { RotaryTable } from '../src/models/graph/rotary.ts'
import { Random } from '../src/random.ts'
import { Program } from '../src/runtime/program.ts'
import { gradients } from '../src/tensor/gradients.ts'
import { mul, neg, sum } from '../src/tensor/operators.ts'
import { input } from '../src/tensor/tensor.ts'
import { clipGradients, createAdamW } from '../src/train/optimizer.ts'
import { initialAdapter } from '../src/train/policy.ts'

const tiny = join(import.meta.dirname, '../src/models/fixtures/tiny-llama')
const [path = tiny, output = 'runs/raw-sft-loop/adapter'] = process.argv.slice(2)
const steps = 10
const learningRate = 5e-3

// 1. A model: its configuration, its tokenizer, and weights that are read when they are asked for.
const model = await openModel(path)
const { config, tokenizer } = model

// 2. Rows of text become token ids, and a mask that says which of them are to be learned: the assistant's.
const facts = [
  ['What is the capital of France?', 'Paris.'],
  ['What is the capital of Japan?', 'Tokyo.'],
  ['What is the capital of Kenya?', 'Nairobi.'],
] as const
const rows = facts.map(([question, answer]) => renderRow(
  { messages: [{ role: 'user', content: question }, { role: 'assistant', content: answer }] },
  tokenizer,
  { endTokenIds: config.eosTokenIds },
))
// Packed end to end rather than padded; attention stays within a row.
const [batch] = packRows(rows)
if (batch === undefined) throw new Error('there is nothing to learn')

// 3. What is trained: for every linear layer W a low-rank B A beside it, y = W x + (alpha / rank) B A x. W stays as it is.
const lora = { rank: 8, alpha: 16, rankStabilized: false, modules: linearModules(config) }
const random = new Random(0)
const adapter = initialAdapter(config, lora, () => random.uint32() / 2 ** 32)

// 4. The loss as a graph. Nothing is computed yet: these are symbols, and `gradients` adds the backward pass to them.
const { parts, parameters } = withLora(frozenParts(config, 'f32'), config, lora)
const logprobs_N = packedLogprobs(config, parts)
const loss = mul(neg(sum(logprobs_N)), input('one_over_n', 'float32', []))
const names = [...parameters.keys()]
const gradientOf = gradients(loss, [...parameters.values()])
const outputs = new Map([['loss', loss], ...names.map((name, i) => [`gradient of ${name}`, gradientOf[i]!] as const)])

// 5. ONNX Runtime compiles the graph. The frozen weights lie in one memory-mapped file.
const weights = prepareWeights(model, 'f32', cacheDirectory())
const program = await Program.compile(outputs, { device: 'cpu', weights })

// 6. The loop: forward and backward in one run, then clip, then AdamW, which updates adapter.parameters in place.
const shapes = loraShapes(config, lora)
const optimizer = createAdamW(adapter.parameters, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 })
const data = {
  ...forwardFeeds(config, batch, new RotaryTable(config)),
  one_over_n: { data: Float32Array.of(1 / batch.targets.labels.length), shape: [] },
}
for (let step = 1; step <= steps; step++) {
  const matrices = Object.fromEntries(names.map((name) => [name, { data: adapter.parameters.get(name)!, shape: shapes.get(name)! }]))
  const results = await program.run({ ...data, ...matrices })
  const found = new Map(names.map((name) => [name, results[`gradient of ${name}`]!.data as Float32Array]))
  const norm = clipGradients(found, 1)
  optimizer.step(found, learningRate)
  console.log(`step ${step}  loss ${Number(results['loss']!.data[0]).toFixed(4)}  gradient norm ${norm.toFixed(3)}`)
}

// 7. The adapter in PEFT's format: `posttrain generate --model MODEL --adapter OUTPUT` and PEFT both load it.
await saveAdapter(output, adapter, config, path)
await program.release()
model.close()
console.log(output)
