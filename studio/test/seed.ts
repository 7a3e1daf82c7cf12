/**
 * Fills a running server with what a team would have after some weeks: traffic, feedback, datasets, two jobs.
 * `node studio/test/seed.ts http://127.0.0.1:8000 [--jobs 0]`. The texts are those of examples/complaints.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import OpenAI, { toFile } from 'openai'

interface Message { readonly role: string; readonly content: string }
interface Pair { readonly prompt: readonly Message[]; readonly chosen: string; readonly rejected: string }
interface Thumb { readonly prompt: readonly Message[]; readonly completion: string; readonly label: boolean }

const examples = join(import.meta.dirname, '../../examples/complaints')

function rowsOf<Row>(name: string, most: number): Row[] {
  return readFileSync(join(examples, name), 'utf8').trim().split('\n').slice(0, most).map((line) => JSON.parse(line) as Row)
}

/** @param jobs whether an SFT and a DPO job are run too; the promise waits for them */
export async function seed(url: string, { jobs = true, rows = 120 }: { readonly jobs?: boolean; readonly rows?: number } = {}): Promise<void> {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 })
  const { data: [base] } = await client.models.list()
  const model = base!.id

  for (const [i, { prompt, completion, label }] of rowsOf<Thumb>('thumbs.jsonl', rows).entries()) {
    const id = await log(client, { model, prompt, answers: [completion], user: `agent-${i % 7}`, i })
    await say(client, { completion_id: id, name: 'thumbs', value: label, user: `agent-${i % 7}` })
    if (!label && i % 9 === 0) await say(client, { completion_id: id, name: 'comment', value: 'It leaves out what the customer wants.', user: `agent-${i % 7}` })
  }
  for (const [i, { prompt, chosen, rejected }] of rowsOf<Pair>('pairs.jsonl', rows).entries()) {
    const user = `agent-${i % 5}`
    if (i % 4 === 0) {
      const id = await log(client, { model, prompt, answers: [rejected], user, i })
      await say(client, { completion_id: id, name: 'correction', value: chosen, user })
    } else {
      const id = await log(client, { model, prompt, answers: [chosen, rejected], user, i })
      await say(client, { completion_id: id, name: 'choice', value: { chosen: 0, rejected: 1 }, user })
    }
  }
  for (const [i, { prompt, chosen }] of rowsOf<Pair>('heldout-pairs.jsonl', 20).entries()) {
    await log(client, { model, prompt, answers: [chosen], user: `agent-${i % 3}`, i })
  }
  for (const [name, kind] of [['choices', 'pairs'], ['thumbs', 'labelled'], ['corrections', 'sft']] as const) {
    await client.post('/datasets', { body: { name, kind, eval_fraction: 0.2 } })
  }
  if (jobs) await train(client, model)
}

interface Logged { readonly model: string; readonly prompt: readonly Message[]; readonly answers: readonly string[]; readonly user: string; readonly i: number }

async function log(client: OpenAI, { model, prompt, answers, user, i }: Logged): Promise<string> {
  const { id } = await client.post<{ id: string }>('/completions/log', {
    body: {
      request: { model, messages: prompt, user, metadata: { team: i % 3 === 0 ? 'returns' : 'billing', conversation_id: `c-${user}-${i}` } },
      response: { model, choices: answers.map((content, index) => ({ index, message: { role: 'assistant', content }, finish_reason: 'stop' })) },
    },
  })
  return id
}

async function say(client: OpenAI, body: object): Promise<void> {
  await client.post('/feedback', { body })
}

async function train(client: OpenAI, model: string): Promise<void> {
  const file = async (name: string): Promise<string> =>
    (await client.files.create({ file: await toFile(readFileSync(join(examples, name)), name), purpose: 'fine-tune' })).id
  const [training_file, validation_file] = [await file('sft.jsonl'), await file('sft-heldout.jsonl')]
  const recipe = { optimizer: { lr: 1e-2 } }
  const first = await ended(client, {
    model, training_file, validation_file, suffix: 'v1', method: { type: 'supervised' }, posttrain: { alias: 'support-desk', recipe: { ...recipe, epochs: 1 } },
  })
  await ended(client, {
    model: first.fine_tuned_model ?? model, training_file: 'dataset:choices', suffix: 'v2', method: { type: 'dpo' },
    posttrain: { alias: 'support-desk', recipe: { ...recipe, epochs: 2 } },
  })
}

async function ended(client: OpenAI, body: object): Promise<OpenAI.FineTuning.FineTuningJob> {
  const { id } = await client.fineTuning.jobs.create(body as OpenAI.FineTuning.JobCreateParams)
  for (;;) {
    const job = await client.fineTuning.jobs.retrieve(id)
    if (job.finished_at !== null) return job
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
}

if (import.meta.main) {
  const { values, positionals: [url = 'http://127.0.0.1:8000'] } = parseArgs({ allowPositionals: true, options: { jobs: { type: 'string' } } })
  await seed(url, { jobs: values.jobs !== '0' })
  console.log(`${url} has traffic, feedback, datasets${values.jobs === '0' ? '' : ' and two jobs'}`)
}
