/** The playground in Chromium, over a real server with a tiny model. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { Browser } from 'playwright-core'
import { serveFake } from '../../../../src/server/fixtures/server.ts'
import { startServerProcess, type ServerProcess } from '../../../../src/server/fixtures/server-process.ts'
import { noChromium, openBrowser, openView, sendMessage, seriousFaults, type View } from '../../../test/browser.ts'

const model = join(import.meta.dirname, '../../../../src/models/fixtures/tiny-llama')

interface Said {
  readonly id: string
  readonly name: string
  readonly value: unknown
  readonly tags: Readonly<Record<string, string>>
  readonly superseded: boolean
}

interface Opened extends View {
  /** Presses a button of the n-th answer of the page. */
  press(name: string, answer: number): Promise<void>
  /** Whether it is pressed, for each answer. */
  pressed(name: string): Promise<(string | null)[]>
  ask(message: string): Promise<void>
}

const better = 'This one is better'

describe('the playground', { skip: noChromium }, () => {
  let directory: string
  let server: ServerProcess
  let browser: Browser

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'playground-'))
    server = await startServerProcess(['--model', model, '--directory', directory, '--port', '0', '--adapter', `polite=${join(model, 'adapter')}`])
    browser = await openBrowser()
  })
  after(async () => {
    await browser.close()
    await server.end('SIGTERM')
    await rm(directory, { recursive: true })
  })

  async function open(query: string): Promise<Opened> {
    const view = await openView(browser, `${server.url}/#/playground?${query}`)
    const { page } = view
    return {
      ...view,
      press: async (name, answer) => {
        await page.getByRole('article').nth(answer).getByRole('button', { name, exact: true }).click()
      },
      pressed: async (name) => page.getByRole('article').getByRole('button', { name, exact: true })
        .evaluateAll((buttons) => buttons.map((button) => button.getAttribute('aria-pressed'))),
      ask: async (message) => {
        const before = await page.getByRole('article').count()
        await sendMessage(page, message)
        await page.getByRole('article').nth(before).getByRole('button', { name: 'Good', exact: true }).waitFor()
        await page.getByRole('button', { name: 'Send' }).waitFor()
      },
    }
  }

  /** What is stored of feedback and holds, as soon as that is as wanted. */
  async function storedWhen(wanted: (said: readonly Said[]) => boolean): Promise<Said[]> {
    for (;;) {
      const { data } = await (await fetch(`${server.url}/v1/feedback?limit=100`)).json() as { data: Said[] }
      const said = data.filter(({ superseded }) => !superseded)
      if (wanted(said)) return said
      await setTimeout(20)
    }
  }

  test('what is said of three answers is stored, can be changed, and is there again after a reload', async () => {
    const { page, problems, press, pressed, ask } = await open('model=tiny-llama&model=polite&model=tiny-llama&max_tokens=12')
    const isChoice = ({ name }: Said): boolean => name === 'choice'
    await ask('Where is my parcel?')
    await press('Bad', 0)
    assert.deepEqual((await storedWhen(({ length }) => length === 1)).map(({ name, value, tags }) => [name, value, tags]), [['thumbs', false, { via: 'playground' }]])
    await press('Good', 0)
    await storedWhen((said) => said.length === 1 && said[0]!.value === true)
    await press(better, 1)
    const first = await storedWhen((said) => said.filter(isChoice).length === 2)
    await press(better, 2)
    const second = await storedWhen((said) => said.filter(isChoice).length === 2 && !said.some(({ id }) => first.some((before) => isChoice(before) && before.id === id)))
    const [chosen, rejected] = (['chosen', 'rejected'] as const).map((side) =>
      new Set(second.filter(isChoice).map(({ value }) => (value as Record<typeof side, { completion_id: string }>)[side].completion_id)))
    assert.deepEqual([chosen!.size, rejected!.size], [1, 2])
    await press('Correct', 1)
    await page.getByLabel('What the answer should have been').fill('It arrives <b>tomorrow</b>.')
    await page.keyboard.press('Control+Enter')
    await page.getByText('Correction stored').waitFor()
    assert.deepEqual(await seriousFaults(page), [])

    await page.reload()
    await page.getByText('It arrives <b>tomorrow</b>.').waitFor()
    assert.deepEqual(await pressed('Good'), ['true', 'false', 'false'])
    assert.deepEqual(await pressed(better), ['false', 'false', 'true'])
    await press(better, 2)
    await press('Good', 0)
    await storedWhen((said) => said.length === 1 && said[0]!.name === 'correction')
    assert.deepEqual(problems, [])
  })

  test('names are hidden until one is chosen; conversations that go apart are not compared, and go on together if wanted', async () => {
    const { page, problems, press, ask } = await open('model=tiny-llama&model=polite&max_tokens=12&hide=names')
    const names = async (): Promise<string[]> => page.getByRole('article').getByRole('heading').allInnerTexts()
    await ask('Hello')
    assert.deepEqual(await names(), ['Answer 1', 'Answer 2'])
    await press(better, 0)
    await page.getByRole('heading', { name: 'polite' }).waitFor()
    assert.deepEqual((await names()).toSorted(), ['polite', 'tiny-llama'])
    await page.getByRole('button', { name: 'Go on with this answer in all' }).click()
    await ask('And then?')
    assert.equal(await page.getByRole('button', { name: better }).count(), 4)
    await ask('And now?')
    await page.getByText('These answers follow different conversations').waitFor()
    assert.equal(await page.getByRole('button', { name: better }).count(), 4)
    assert.deepEqual(problems, [])
  })

  test('Escape stops what is under way; it is not stored, and can be asked again', async (t) => {
    const { server, model: fake, client } = await serveFake(t)
    const told = Promise.withResolvers<undefined>()
    fake.reply = 'One two three four five six seven eight'
    fake.beforeToken = async (token) => token < 5 ? undefined : told.promise
    const { page, problems } = await openView(browser, `${server.url}/#/playground?model=tiny-llama`)
    await sendMessage(page, 'Go on')
    await page.getByRole('article').getByText('One').waitFor()
    await page.keyboard.press('Escape')
    await page.getByText('Stopped.').waitFor()
    assert.equal(await page.getByRole('button', { name: 'Good', exact: true }).count(), 0)
    assert.equal((await client.chat.completions.list()).data.length, 0)
    told.resolve(undefined)
    await page.getByRole('button', { name: 'Ask again' }).click()
    await page.getByRole('button', { name: 'Good', exact: true }).waitFor()
    assert.equal((await client.chat.completions.list()).data.length, 1)
    assert.deepEqual(problems, [])
  })
})
