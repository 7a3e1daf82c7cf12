/** Runs in Chromium: watched, paused, resumed, kept; looked at closely; laid over each other. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type OpenAI from 'openai'
import type { Browser } from 'playwright-core'
import { eventOf, sftRows, upload } from '../../../../src/server/fixtures/jobs.ts'
import { serveFake } from '../../../../src/server/fixtures/server.ts'
import { noChromium, openBrowser, openView, seriousFaults } from '../../../test/browser.ts'

/** A run of many steps, whose loss has one spike. */
function writeLongRun(path: string, steps: number, lr: number): void {
  mkdirSync(path, { recursive: true })
  const lines = (records: readonly object[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join('')
  const time = '2026-01-01T00:00:00.000Z'
  writeFileSync(join(path, 'recipe.yaml'), `model: m\nmethod: sft\ndata: [{path: rows.jsonl, weight: 1}]\noptimizer: {lr: ${lr}}\n`)
  writeFileSync(join(path, 'events.jsonl'), lines([{ step: 0, type: 'started', steps, time }, { step: 0, type: 'evaluation', loss: 4, time }, { step: steps, type: 'evaluation', loss: 2, time }]))
  writeFileSync(join(path, 'metrics.jsonl'), lines(Array.from({ length: steps }, (_, i) => ({ step: i + 1, loss: i + 1 === 7777 ? 40 : 4 - i / steps, lr, tokens_per_second: 5, memory_mb: 100, epoch: 1, tokens: i }))))
  writeFileSync(join(path, 'report.md'), '# long\n\n## Loss\n\nIt went <b>down</b>.\n')
}

describe('runs in Chromium', { skip: noChromium }, () => {
  let browser: Browser
  before(async () => { browser = await openBrowser() })
  after(async () => { await browser.close() })

  test('a run is watched, paused, resumed, and stopped and kept', async (t) => {
    const { server, client } = await serveFake(t)
    const file = await upload(client, sftRows)
    const recipe = { steps: 5000, optimizer: { lr: 0.01 }, checkpoint: { every_steps: 10 } }
    const { id } = await client.fineTuning.jobs.create({
      model: 'tiny-llama', training_file: file, validation_file: file, suffix: 'watched', posttrain: { base: { precision: 'f32' }, recipe },
    } as OpenAI.FineTuning.JobCreateParams)
    const { page, problems } = await openView(browser, `${server.url}/#/runs`)
    await page.getByRole('link', { name: 'watched' }).click()
    await page.getByRole('heading', { level: 1, name: 'watched' }).waitFor()
    const loss = page.getByRole('slider', { name: 'Loss', exact: true })
    await loss.waitFor()
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('button', { name: 'Resume' }).click()
    await page.getByRole('button', { name: 'Stop and keep …' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Stop and keep' }).click()
    await page.getByRole('link', { name: 'Try it in the playground' }).waitFor()
    await eventOf(client, id, /Told to finish after \d+ of 5000 steps/)
    await page.getByText('Told to finish after').waitFor()
    assert.deepEqual([await seriousFaults(page), problems], [[], []])
  })

  test('of many steps a part is looked at, by mouse and by keys; the address keeps it; runs are laid over each other', async (t) => {
    const root = mkdtempSync(join(tmpdir(), 'runs-view-'))
    t.after(() => { rmSync(root, { recursive: true }) })
    writeLongRun(join(root, 'long'), 20_000, 0.1)
    writeLongRun(join(root, 'other'), 15_000, 0.2)
    const { server } = await serveFake(t, { runRoots: [root] })
    const { page, problems } = await openView(browser, `${server.url}/#/runs`)
    await page.getByRole('checkbox', { name: 'Compare long' }).check()
    await page.getByRole('checkbox', { name: 'Compare other' }).check()
    await page.getByRole('button', { name: 'Compare 2 runs' }).click()
    await page.getByRole('row', { name: 'optimizer.lr 0.1 0.2' }).waitFor()
    await page.getByRole('button', { name: 'Take other away' }).click()
    const loss = page.getByRole('slider', { name: 'Loss', exact: true })
    // Its chart is made anew without the other's curve.
    await page.locator('figure', { has: loss }).getByText('held-out loss').filter({ hasText: 'other' }).first().waitFor({ state: 'detached' })
    await page.getByText('A point stands for 64 steps').waitFor()

    const box = (await page.locator('.u-over').first().boundingBox())!
    await page.mouse.move(box.x + box.width * 0.37, box.y + 40)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width * 0.41, box.y + 40, { steps: 4 })
    await page.mouse.up()
    await page.waitForURL(/from=7\d\d\d&to=8\d\d\d/)
    await page.getByText('A point stands for 2 steps').waitFor()
    await page.reload()
    const words = page.getByText('highest 40 at 7,777')
    await words.waitFor({ state: 'attached' })
    await loss.focus()
    await page.keyboard.press('0')
    await page.waitForURL((url) => !url.hash.includes('from='))
    await page.getByText('A point stands for 64 steps').waitFor()
    await page.keyboard.press('Home')
    assert.match(await loss.getAttribute('aria-valuetext') ?? '', /^step 0: training loss –, held-out loss 4$/)
    await page.getByRole('link', { name: 'Report' }).click()
    await page.getByText('It went <b>down</b>.').waitFor()
    assert.deepEqual([await seriousFaults(page), problems], [[], []])
  })
})
