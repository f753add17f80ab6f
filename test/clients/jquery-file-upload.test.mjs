/*
 * The demo's page (jQuery File Upload and spark-md5) in a real browser, a
 * headless Chromium: a large file through the loss of the server, through a
 * reload of the page, through a pause; what is stored is compared.  The
 * browser's pictures of it are kept in build/screenshots.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { chromium } from 'playwright-core';

import { md5, pattern, sha256, status } from '../http/client.mjs';
import { BUILD } from '../http/httpd-conf.mjs';
import { onServer, until } from '../http/server.mjs';
import { pageFiles } from './page.mjs';

const MIB = 1 << 20;
const SIZE = 30 * MIB;
const PICTURES = path.join(BUILD, 'screenshots');
const ARGUMENTS = ['--headless', '--no-sandbox', '--disable-gpu',
    '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];

function findBrowser()
{
    for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
        const found = spawnSync('sh', ['-c', `command -v ${name}`],
                                { encoding: 'utf8' });
        if (found.status === 0) {
            return found.stdout.trim();
        }
    }
    throw new Error('no chromium: run .ci/deps.sh browser');
}

/** A page of a fresh browser, and all that it asked for and complained of. */
class Visit {
    static async open(s, { dark = false, width = 900 } = {})
    {
        const visit = new Visit();
        visit.s = s;
        visit.profile = fs.mkdtempSync(path.join(os.tmpdir(), 'cu-browser-'));
        visit.context = await chromium.launchPersistentContext(visit.profile, {
            executablePath: findBrowser(), args: ARGUMENTS,
            viewport: { width, height: 640 },
            colorScheme: dark ? 'dark' : 'light', reducedMotion: 'reduce'
        });
        visit.page = visit.context.pages()[0] ?? await visit.context.newPage();
        visit.asked = [];
        visit.complaints = [];
        visit.page.on('request', (r) => visit.asked.push(r));
        visit.page.on('pageerror', (e) => visit.complaints.push(String(e)));
        visit.page.on('console', (m) => {
            /* a lost server is told by the page as well; the icon is asked
             * for where the link leads to, which is no page of ours */
            if (m.type() === 'error' && !/net::ERR_/.test(m.text())
                && !m.location().url.endsWith('/favicon.ico')) {
                visit.complaints.push(m.text());
            }
        });
        await visit.page.goto(`${s.base}/`);
        await visit.page.getByLabel('Chunks of').selectOption('1 MiB');
        return visit;
    }

    /** Bytes a second that leave the browser. */
    async slow(rate)
    {
        const cdp = await this.context.newCDPSession(this.page);
        await cdp.send('Network.enable');
        await cdp.send('Network.emulateNetworkConditions', {
            offline: false, latency: 0, downloadThroughput: -1,
            uploadThroughput: rate
        });
    }

    choose(file)
    {
        return this.page.locator('#pick').setInputFiles(file);
    }

    picture(name)
    {
        fs.mkdirSync(PICTURES, { recursive: true });
        return this.page.screenshot({ path: path.join(PICTURES,
                                                      `${name}.png`) });
    }

    item(name)
    {
        return this.page.getByRole('listitem').filter({ hasText: name });
    }

    async reaches(name, part)
    {
        await until(`${name} to reach ${part}`, () => this.item(name)
            .getByRole('progressbar').evaluate((e) => e.value)
            .then((value) => value >= part));
    }

    says(name, text, timeout = 30000)
    {
        return this.item(name).getByText(text).first()
            .waitFor({ timeout });
    }

    /** Content-Range of every chunk that was sent. */
    ranges()
    {
        return this.asked.filter((r) => r.method() === 'POST')
            .map((r) => r.headers()['content-range']).filter(Boolean);
    }

    async close()
    {
        try {
            const elsewhere = this.asked.map((r) => r.url())
                .filter((url) => !url.startsWith(`${this.s.base}/`)
                                 && !url.startsWith('data:'));
            assert.deepEqual(elsewhere, [], 'no request goes elsewhere');
            assert.deepEqual(this.complaints, []);
        } finally {
            await this.context.close();
            fs.rmSync(this.profile, { recursive: true, force: true });
        }
    }
}

onServer('jQuery File Upload in Chromium', {
    endpoints: '', files: pageFiles()
}, (at) => {
    const data = pattern(SIZE, 7);
    let directory, file;

    before(() => {
        directory = fs.mkdtempSync(path.join(os.tmpdir(), 'cu-files-'));
        file = path.join(directory, 'holiday film.mkv');
        fs.writeFileSync(file, data);
    });
    after(() => fs.rmSync(directory, { recursive: true, force: true }));

    const visiting = (options, body) => async () => {
        const visit = await Visit.open(at.s, options);
        try {
            await body(visit);
        } catch (error) {
            await visit.picture('failed').catch(() => {});
            throw error;
        } finally {
            await visit.close();
        }
    };

    /* Complete on the page, on the server, and on disk. */
    const arrived = async (visit, name, wanted) => {
        await visit.says(name, 'Complete.');
        const link = visit.item(name).getByRole('link');
        const id = /\/upload\/([0-9a-f]{32})$/.exec(
            await link.evaluate((e) => e.href))[1];
        const answer = await status(at.s, id, { path: '/upload' });
        assert.equal(answer.json.status, 'complete');
        assert.equal(answer.json.offset, wanted.length);
        assert.equal(answer.json.filename, name);
        const stored = fs.readFileSync(at.s.partFile(id));
        assert.equal(md5(stored), md5(wanted));
        assert.equal(sha256(stored), sha256(wanted));
        return { id, link };
    };

    test('30 MiB while the server is taken away and comes back',
         visiting({}, async (visit) => {
        const name = path.basename(file);
        await visit.picture('1-empty');
        await visit.slow(12 * MIB);
        await visit.choose(file);
        await visit.reaches(name, 0.3);
        await visit.picture('2-uploading');
        await at.s.killAll();
        await visit.says(name, 'does not answer');
        await visit.picture('3-server-away');
        const before = visit.ranges().length;
        await at.s.start();
        const { link } = await arrived(visit, name, data);
        await visit.picture('4-complete');
        /* it went on: hardly anything was sent twice */
        const sent = visit.ranges().length;
        assert.ok(before > 5 && before < 30, `${before} chunks before`);
        assert.ok(sent >= 31 && sent <= 33, `${sent} chunks in all`);
        const announced = visit.page.getByRole('status');
        assert.equal(await announced.textContent(), `${name} is complete`);
        await link.click();
        await visit.page.waitForURL(/upload\/[0-9a-f]{32}$/);
        assert.match(await visit.page.locator('body').innerText(),
                     /"status": "complete"/);
    }));

    test('the page is loaded anew in the middle',
         visiting({ dark: true }, async (visit) => {
        const name = path.basename(file);
        await visit.slow(12 * MIB);
        await visit.choose(file);
        await visit.reaches(name, 0.4);
        await visit.page.reload();
        await visit.page.getByText('Unfinished from an earlier visit')
            .waitFor();
        assert.equal(await visit.page.locator('#waiting li').textContent(),
                     name);
        await visit.picture('5-reloaded-dark');
        const before = visit.ranges().length;
        await visit.page.getByLabel('Chunks of').selectOption('4 MiB');
        await visit.choose(file);
        await visit.reaches(name, 0.6);
        await visit.picture('6-resumed-dark');
        await arrived(visit, name, data);
        const first = visit.ranges()[before];
        const start = Number(/^bytes (\d+)-/.exec(first)[1]);
        assert.ok(start >= 10 * MIB, `went on with ${first}`);
        assert.equal(await visit.page.locator('#waiting').isHidden(), true);
        const left = await visit.page.evaluate(() => localStorage.length);
        assert.equal(left, 0, 'a complete upload is not remembered');
    }));

    test('pause, resume, and another file meanwhile, on a narrow screen',
         visiting({ width: 390 }, async (visit) => {
        const name = path.basename(file);
        await visit.slow(12 * MIB);
        await visit.choose(file);
        await visit.reaches(name, 0.2);
        await visit.page.getByRole('button', { name: `Pause ${name}` })
            .click();
        await visit.says(name, 'Paused at');
        const sent = visit.ranges().length;
        /* made in the page: a name on disk would need a fitting locale */
        const small = { name: 'b\u00e4r & \'small\'.txt',
                        mimeType: 'text/plain',
                        buffer: Buffer.from('a small file') };
        await visit.choose(small);
        await arrived(visit, small.name, small.buffer);
        await visit.picture('7-paused-narrow');
        assert.equal(visit.ranges().length, sent, 'a pause is a pause');
        /* by keyboard alone */
        await visit.page.getByRole('button', { name: `Resume ${name}` })
            .focus();
        await visit.page.keyboard.press('Enter');
        await arrived(visit, name, data);
        await visit.picture('8-complete-narrow');
    }));

    test('an empty file, a removed one, a refusal and its words',
         visiting({}, async (visit) => {
        const empty = path.join(directory, 'empty');
        fs.writeFileSync(empty, '');
        await visit.choose(empty);
        await arrived(visit, 'empty', Buffer.alloc(0));
        await visit.slow(4 * MIB);
        await visit.choose(file);
        const name = path.basename(file);
        await visit.reaches(name, 0.1);
        await visit.page.getByRole('button', { name: `Remove ${name}` })
            .click();
        await until('it to be gone', async () =>
            await visit.item(name).count() === 0);
        const large = path.join(directory, 'too large');
        fs.writeFileSync(large, '');
        fs.truncateSync(large, 101 * MIB);
        await visit.choose(large);
        await visit.says('too large', 'exceeds the limit');
        await visit.picture('9-refused');
        visit.complaints = visit.complaints.filter((text) =>
            !/status of 400/.test(text));
    }));
});
