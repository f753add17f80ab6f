/*
 * Abuse: state files ruined in every way, uploads kept alive by crumbs,
 * thousands of tiny ones, lengths and places that nobody can have, bombs,
 * and slow senders.  One bad upload never harms another, and what a client
 * sends costs what it sends and no more.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { EXPIRED, NOT_FOUND, Wire, assertChunkOk, assertRefused, chunk,
         chunkRequest, complete, finish, head, md5, multipart, offsetError,
         formType, pattern, request, status } from './client.mjs';
import { onServer, sleep } from './server.mjs';
import { newestSlot } from './statefile.mjs';

const KIB = 1 << 10;
const MIB = 1 << 20;

const stateOf = (s, id) => fs.readFileSync(s.stateFile(id));

/* Bytes that a file really takes on the disk. */
const allocated = (file) => fs.statSync(file).blocks * 512;

function memory(s)
{
    const children = s.rssOfChildren();
    return { peak: Math.max(...children.map((c) => c.rss)),
             sum: children.reduce((n, c) => n + c.rss, 0) };
}

/* Growth may be bounded; ASan keeps what was freed. */
const bounded = (kib, most) => process.env.CU_ASAN || kib < most;

/* What an admin does with an upload that is lost. */
function forget(s, id)
{
    fs.rmSync(s.partFile(id));
    fs.rmSync(s.stateFile(id));
    assert.equal(s.ctl('fsck', '--repair').status, 0);
}

onServer('SEC-27 ruined state', {}, (at) => {
    const data = pattern(20);
    const begin = async () => assertChunkOk(await chunk(at.s, { start: 0,
        total: 20, data: data.subarray(0, 10) }), 10);
    const next = (id) => chunk(at.s, { id, start: 10, total: 20,
                                       data: data.subarray(10) });

    /* Everything about it is refused, it is reported, the others go on. */
    const isDamaged = async (id) => {
        const other = await begin();
        at.s.expectLog(new RegExp(`\\[chunked_upload:error\\].*${id}`));
        for (const answer of [await next(id), await status(at.s, id),
            await complete(at.s, { id, md5: md5(data) })]) {
            assert.equal(`${answer.status} ${answer.text}`,
                         '500 {"detail": "Upload is damaged"}');
        }
        assertChunkOk(await next(other), 20, other);
        await finish(at.s, other, data);
        const run = at.s.ctl('fsck');
        assert.equal(run.status, 1, run.stdout + run.stderr);
        assert.match(run.stdout, new RegExp(id));
        forget(at.s, id);
    };

    for (const size of [0, 1, 7, 51, 4095, 4096, 4097, 8191]) {
        test(`a state file cut to ${size} bytes`, async () => {
            const id = await begin();
            fs.truncateSync(at.s.stateFile(id), size);
            await isDamaged(id);
        });
    }

    test('a state file cut within its last slot goes back by one slot',
         async () => {
        const id = await begin();
        const file = at.s.stateFile(id);
        const { at: place } = newestSlot(file);
        const bytes = stateOf(at.s, id);
        if (place + 4096 === bytes.length) {
            fs.truncateSync(file, bytes.length - 100);
        }
        const answer = await status(at.s, id);
        assert.equal(answer.status, 200, answer.text);
        assert.ok([0, 10].includes(answer.json.offset), answer.text);
    });

    test('a state file of a later version', async () => {
        const id = await begin();
        const bytes = stateOf(at.s, id);
        bytes.writeUInt32BE(2, 8);
        fs.writeFileSync(at.s.stateFile(id), bytes);
        await isDamaged(id);
    });

    test('a state file of 1 GiB', async () => {
        const id = await begin();
        fs.truncateSync(at.s.stateFile(id), 1 << 30);
        const before = memory(at.s);
        assertChunkOk(await next(id), 20, id);
        await finish(at.s, id, data);
        assert.equal(at.s.ctl('show', id).status, 0);
        assert.ok(bounded(memory(at.s).peak - before.peak, 4 * KIB));
    });

    test('a state file of 1 GiB of another making', async () => {
        const id = await begin();
        const file = at.s.stateFile(id);
        fs.writeFileSync(file, Buffer.alloc(4096, 0xff));
        fs.truncateSync(file, 1 << 30);
        await isDamaged(id);
    });

    test('every bit that counts: a flip is noticed, or changes nothing',
         async (t) => {
        const id = await begin();
        const file = at.s.stateFile(id);
        const good = stateOf(at.s, id);
        const seen = { damaged: 0, harmless: 0, back: 0 };
        const headerLength = good.readUInt32BE(12);
        const first = Math.ceil(headerLength / 4096) * 4096;
        const places = [];
        for (let i = 0; i < headerLength; i += 3) {
            places.push(i);
        }
        for (let i = 0; i < 300; i += 3) {
            places.push(first + i, first + 4096 + i);
        }
        at.s.expectLog(new RegExp(`\\[chunked_upload:error\\].*${id}`));
        for (const place of places) {
            const bytes = Buffer.from(good);
            bytes[place] ^= 1 << place % 8;
            fs.writeFileSync(file, bytes);
            const answer = await status(at.s, id);
            if (answer.status === 500) {
                seen.damaged++;
            } else {
                assert.equal(answer.status, 200, answer.text);
                assert.ok([0, 10].includes(answer.json.offset), answer.text);
                seen[answer.json.offset === 10 ? 'harmless' : 'back']++;
                assert.ok(place >= first || place >= headerLength,
                          `byte ${place} of the header does not count`);
            }
        }
        fs.writeFileSync(file, good);
        t.diagnostic(`${places.length} flips: ${seen.damaged} damaged, ${
            seen.harmless} harmless, ${seen.back} fell back by a slot`);
        assert.ok(seen.damaged > 30 && seen.harmless > 30 && seen.back > 30);
        assertChunkOk(await next(id), 20, id);
        await finish(at.s, id, data);
    });

    test('a directory, a fifo, a link in place of a state file', async () => {
        for (const plant of [(file) => fs.mkdirSync(file),
            (file) => fs.symlinkSync('/etc/passwd', file),
            (file) => assert.equal(spawnSync('mkfifo', ['-m', '666', file])
                .status, 0)]) {
            const id = await begin();
            const file = at.s.stateFile(id);
            fs.renameSync(file, `${at.s.root}/aside`);
            plant(file);
            at.s.expectLog(new RegExp(`\\[chunked_upload:error\\].*${id}`));
            const answer = await next(id);
            assert.equal(answer.status, 500, answer.text);
            fs.rmSync(file, { recursive: true });
            fs.renameSync(`${at.s.root}/aside`, file);
            assertChunkOk(await next(id), 20, id);
        }
    });
});

onServer('crumbs', { conf: `
<Location "/brief">
    SetHandler chunked-upload
    ChunkedUploadExpire 3s created
</Location>` }, (at) => {
    test('SEC-31 appends of one byte do not outlive the age', async (t) => {
        const total = 1000;
        let offset = 1;
        const id = assertChunkOk(await chunk(at.s, { path: '/brief',
            start: 0, total, data: 'x' }), 1);
        const began = Date.now();
        let answer;
        do {
            await sleep(40);
            answer = await chunk(at.s, { path: '/brief', id, start: offset,
                                         total, data: Buffer.from('x') });
            if (answer.status === 200) {
                offset = answer.json.offset;
            }
            assert.ok(Date.now() - began < 10000, 'the age is absolute');
        } while (answer.status === 200);
        assertRefused(answer, 410, EXPIRED);
        t.diagnostic(`${offset} bytes in ${Date.now() - began} ms`);
    });

    test('SEC-31 empty appends change nothing', async () => {
        const id = assertChunkOk(await chunk(at.s, { start: 0, total: 10,
            data: Buffer.from('abc') }), 3);
        for (const range of ['bytes 3-2/10', 'bytes 3-3/10', 'bytes */10']) {
            const answer = await chunk(at.s, { id, range, data: '' });
            assert.equal(answer.status, 400, answer.text);
        }
        assertRefused(await chunk(at.s, { id, data: '' }), 400,
                      offsetError(3));
        assert.equal((await status(at.s, id)).json.offset, 3);
    });
});

onServer('SEC-33 many tiny uploads', {}, (at) => {
    const count = Number(process.env.CU_MANY || 2000);

    test(`${count}: a request costs the same at the end`, async (t) => {
        const timed = async (times, ask) => {
            const took = [];
            for (let i = 0; i < times; i++) {
                const began = process.hrtime.bigint();
                await ask(i);
                took.push(Number(process.hrtime.bigint() - began) / 1e6);
            }
            return took.sort((a, b) => a - b)[times >> 1];
        };
        const ids = [];
        const create = async () => {
            ids.push(assertChunkOk(await chunk(at.s, { start: 0, total: 2,
                data: Buffer.from('a') }), 1));
        };
        const sample = async () => ({
            create: await timed(40, create),
            status: await timed(40, (i) => status(at.s, ids[i])),
            unknown: await timed(40, async () => assertRefused(await status(
                at.s, 'f'.repeat(32)), 404, NOT_FOUND))
        });
        const before = await sample();
        const rss = memory(at.s);
        await Promise.all(Array.from({ length: 20 }, async () => {
            while (ids.length < count) {
                await create();
            }
        }));
        const after = await sample();
        for (const what of Object.keys(before)) {
            t.diagnostic(`${what}: median ${before[what].toFixed(2)} ms, with `
                         + `${ids.length} uploads ${after[what].toFixed(2)
                         } ms`);
            assert.ok(after[what] < before[what] * 4 + 10, what);
        }
        t.diagnostic(`largest child ${rss.peak} KiB, then ${
            memory(at.s).peak} KiB`);
        assert.ok(bounded(memory(at.s).peak - rss.peak, 8 * KIB));
        const began = Date.now();
        const list = at.s.ctl('list');
        assert.equal(list.status, 0, list.stderr);
        assert.equal(list.stdout.match(/^[0-9a-f]{32} /gm).length,
                     ids.length);
        t.diagnostic(`listed in ${Date.now() - began} ms`);
        assert.ok(Date.now() - began < 10000);
    });
});

onServer('lengths and places', {}, (at) => {
    test('SEC-34 an announced 2^62 bytes take the room of those that came',
         async () => {
        const id = assertChunkOk(await chunk(at.s, { range:
            'bytes 0-9/4611686018427387904', data: pattern(10) }), 10);
        assert.ok(allocated(at.s.partFile(id)) <= 64 * KIB);
        assertRefused(await complete(at.s, { id, md5: md5(pattern(10)) }),
            400, '{"detail": "Upload is not complete", "offset": 10}');
        assert.equal((await status(at.s, id)).json.length,
                     Number(4611686018427387904n));
    });

    test('SEC-35 a chunk far away makes no hole', async () => {
        const total = '9223372036854775807';
        const id = assertChunkOk(await chunk(at.s, { range:
            `bytes 0-9/${total}`, data: pattern(10) }), 10);
        const far = 'bytes 4611686018427387904-4611686018427387913/';
        for (const idAfter of [false, true]) {
            assertRefused(await chunk(at.s, { id, idAfter,
                range: far + total, data: pattern(10) }), 400,
                offsetError(10));
        }
        assert.equal(fs.statSync(at.s.partFile(id)).size, 10);
        const files = at.s.partFiles().length;
        assertRefused(await chunk(at.s, { range: far + total,
            data: pattern(10) }), 400, offsetError(0));
        assert.equal(at.s.partFiles().length, files);
    });

    test('SEC-35 the last byte of 2^63-1 is refused as any other', async () => {
        const answer = await chunk(at.s, { data: 'x', range:
            'bytes 9223372036854775806-9223372036854775806/'
            + '9223372036854775807' });
        assertRefused(answer, 400, offsetError(0));
    });
});

onServer('SEC-36 Content-Encoding', {}, (at) => {
    const coded = (o, body = o.body) => request(at.s, { ...o, body,
        headers: { ...o.headers, 'Content-Encoding': 'gzip' } });

    test('a bomb is not opened', async (t) => {
        const bomb = gzipSync(multipart([{ name: 'file', filename: 'a',
                                           data: Buffer.alloc(64 * MIB) }]));
        const before = memory(at.s);
        const answer = await coded({ method: 'POST', path: '/up',
            headers: { 'Content-Type': formType() } }, bomb);
        assert.equal(answer.status, 400, answer.text);
        assert.match(answer.text, /Malformed multipart body/);
        assert.deepEqual(at.s.partFiles(), []);
        t.diagnostic(`${bomb.length} bytes for 64 MiB; largest child ${
            before.peak} KiB, then ${memory(at.s).peak} KiB`);
        assert.ok(bounded(memory(at.s).peak - before.peak, 4 * KIB));
    });

    test('the bytes of a chunk stay as they are', async () => {
        const data = gzipSync(pattern(1000));
        const id = assertChunkOk(await coded(chunkRequest({ data })),
                                 data.length);
        await finish(at.s, id, data);
    });
});

for (const mpm of ['event', 'prefork']) {
    /* prefork would take seconds to make as many processes */
    const conf = mpm === 'prefork'
        ? 'MaxRequestWorkers 100\nStartServers 80\nMaxSpareServers 100'
        : 'ServerLimit 8\nMaxRequestWorkers 160';
    onServer(`64 slow uploads, ${mpm}`, { mpm, conf }, (at) => {
        test('memory is bounded, and others are served', async (t) => {
            const data = pattern(2 * MIB, 8);
            for (let i = 0; i < 8; i++) {
                assertChunkOk(await chunk(at.s, { data: 'abc' }), 3);
            }
            const before = memory(at.s);
            const peak = { ...before };
            const slow = await Promise.all(Array.from({ length: 64 },
                async () => {
                    const r = chunkRequest({ data });
                    const wire = await Wire.open(at.s);
                    await wire.write(head('POST', r.path, { ...r.headers,
                        'Content-Length': r.body.length }));
                    return { wire, body: r.body, sent: 0 };
                }));
            /* uneven pieces, every sender a little at a time */
            for (let turn = 0; slow.some((x) => x.sent < x.body.length);
                turn++) {
                await Promise.all(slow.map(async (x, i) => {
                    const step = [1000, 70000, 9000, 300000][(i + turn) % 4];
                    await x.wire.write(x.body.subarray(x.sent,
                                                       x.sent + step));
                    x.sent = Math.min(x.sent + step, x.body.length);
                }));
                const now = memory(at.s);
                peak.peak = Math.max(peak.peak, now.peak);
                peak.sum = Math.max(peak.sum, now.sum);
                if (turn % 5 === 0) {
                    const began = Date.now();
                    assertChunkOk(await chunk(at.s, { data: 'abc' }), 3);
                    assert.ok(Date.now() - began < 3000, 'nobody waits');
                }
            }
            for (const { wire } of slow) {
                const id = assertChunkOk(await wire.answer(), data.length);
                wire.close();
                assert.equal(fs.statSync(at.s.partFile(id)).size,
                             data.length);
            }
            t.diagnostic(`largest child ${before.peak} KiB, then ${peak.peak
                } KiB; all children ${before.sum} KiB, then ${peak.sum} KiB`);
            /* a process has up to 20 of them, or one: for each what is read
             * at once, what is kept between reads, and httpd's own */
            const most = (mpm === 'prefork' ? 4 : 20 * 0.625) * KIB;
            assert.ok(bounded(peak.peak - before.peak, most),
                      `a child grew by ${peak.peak - before.peak} KiB`);
        });
    });
}

onServer('what a killed process left of the catalogue', {}, (at) => {
    test('a completion it never heard of is told when repeated', async () => {
        const data = Buffer.from('abc');
        const id = assertChunkOk(await chunk(at.s, { data }), 3);
        const catalogue = path.join(at.s.stateDir, 'catalogue');
        const before = fs.readdirSync(catalogue)
            .map((name) => path.join(catalogue, name))
            .filter((file) => !file.endsWith('.lock'))
            .map((file) => [file, fs.readFileSync(file)]);
        assert.ok(before.length > 0);
        await finish(at.s, id, data);
        /* as if killed after the state said so and before the catalogue */
        before.forEach(([file, bytes]) => fs.writeFileSync(file, bytes));
        const run = at.s.ctl('fsck');
        assert.match(run.stdout, new RegExp(`${id}.*has another status`));
        await finish(at.s, id, data);
        at.s.fsck();
    });

    test('a database file that was being made stops nobody', async () => {
        const catalogue = path.join(at.s.stateDir, 'catalogue');
        for (const digit of '0123456789abcdef') {
            fs.writeFileSync(path.join(catalogue, `__db.db-${digit}.new`), '');
        }
        const began = Date.now();
        for (let i = 0; i < 40; i++) {
            await finish(at.s, assertChunkOk(await chunk(at.s,
                { data: 'abc' }), 3), Buffer.from('abc'));
        }
        assert.ok(Date.now() - began < 10000);
        assert.equal(at.s.ctl('list').status, 0);
    });
});
