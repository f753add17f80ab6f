/*
 * Many uploads and large ones: the store stays clean, memory stays flat, and
 * completion costs the same whatever the size.  CU_BIG=1 sends 5 GiB where
 * the usual run sends 512 MiB.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { test } from 'node:test';

import { Wire, assertChunkOk, assertRefused, chunk, chunkRequest, complete,
         finish, head, pattern, sha256File, status } from './client.mjs';
import { onServer, until } from './server.mjs';
import { readsDuring } from './strace.mjs';

const MIB = 1 << 20;
const GIB = 1 << 30;
const PIECE = pattern(MIB, 7);

/* The bytes of a large file, MiB by MiB: each begins with its number. */
function mebibyte(number)
{
    const out = Buffer.from(PIECE);
    out.writeUInt32BE(number, 0);
    return out;
}

/*
 * Send a chunk of whole MiB from mebibyte(first) on, watching the children.
 * @param o first, count, total (MiB), id, hashes, watch
 */
async function sendLarge(s, o)
{
    const r = chunkRequest({ id: o.id, data: Buffer.from('@') });
    const cut = r.body.lastIndexOf('@');
    const size = o.count * MIB;
    const start = o.first * MIB;
    const wire = await Wire.open(s);
    await wire.write(head('POST', '/up', { ...r.headers,
        'Content-Range': `bytes ${start}-${start + size - 1}/${
            o.total * MIB}`,
        'Content-Length': r.body.length - 1 + size, Connection: 'close' }));
    await wire.write(r.body.subarray(0, cut));
    for (let i = 0; i < o.count; i++) {
        if (o.breakAfter === i) {
            await o.onBreak();
            wire.close();
            return null;
        }
        const data = mebibyte(o.first + i);
        await wire.write(data);
        if (i % 16 === 0) {
            o.watch?.();
        }
    }
    await wire.write(r.body.subarray(cut + 1));
    const answer = await wire.answer();
    wire.close();
    return answer;
}

function hashesOf(total)
{
    const hashes = { md5: createHash('md5'), sha256: createHash('sha256') };
    for (let i = 0; i < total; i++) {
        const data = mebibyte(i);
        hashes.md5.update(data);
        hashes.sha256.update(data);
    }
    return { md5: hashes.md5.digest('hex'),
             sha256: hashes.sha256.digest('hex') };
}

/* Largest resident size of any child seen so far, KiB. */
function memoryWatch(s)
{
    const watch = () => {
        for (const { rss } of s.rssOfChildren()) {
            watch.peak = Math.max(watch.peak, rss);
        }
    };
    watch.peak = 0;
    watch();
    return watch;
}

onServer('many uploads', {}, (at) => {
    test('200 one after the other', async () => {
        for (let i = 0; i < 200; i++) {
            const data = pattern(100 + i * 37, i);
            const id = assertChunkOk(await chunk(at.s, { data }), data.length);
            await finish(at.s, id, data);
        }
        assert.equal(at.s.stateFiles().length, 200);
        assert.equal(at.s.partFiles().length, 200);
    });

    test('32 side by side, three chunks each', async () => {
        await Promise.all(Array.from({ length: 32 }, async (_, i) => {
            const data = pattern(90000, 1000 + i);
            let id;
            for (let start = 0; start < data.length; start += 30000) {
                id = assertChunkOk(await chunk(at.s, { id, start,
                    total: data.length,
                    data: data.subarray(start, start + 30000) }),
                    start + 30000, id);
            }
            await finish(at.s, id, data);
        }));
        assert.equal(at.s.stateFiles().length, 232);
        const list = at.s.ctl('list');
        assert.equal(list.status, 0);
        assert.equal(new Set(list.stdout.match(/\b[0-9a-f]{32}\b/g)).size,
                     232);
    });
});

onServer('one large chunk', {}, (at) => {
    test('64 MiB in bounded memory', async (t) => {
        assertChunkOk(await chunk(at.s, { data: PIECE }), MIB);
        const watch = memoryWatch(at.s);
        const before = watch.peak;
        const answer = await sendLarge(at.s, { first: 0, count: 64, total: 64,
                                               watch });
        watch();
        const id = assertChunkOk(answer, 64 * MIB);
        const hashes = hashesOf(64);
        assertRefused(await complete(at.s, { id, md5: hashes.md5 }), 200,
                      '{}');
        assert.equal(await sha256File(at.s.partFile(id)), hashes.sha256);
        t.diagnostic(`child RSS before ${before} KiB, peak ${watch.peak} KiB`);
        assert.ok(watch.peak - before < 8192,
                  `a child grew by ${watch.peak - before} KiB`);
    });
});

onServer('completion of 1 GiB', {}, (at) => {
    test('reads no byte of the file', async (t) => {
        const zeros = Buffer.alloc(MIB);
        const total = GIB;
        const size = 256 * MIB;
        const hash = createHash('md5');
        let id;
        for (let start = 0; start < total; start += size) {
            const r = chunkRequest({ id, data: Buffer.from('@') });
            const cut = r.body.lastIndexOf('@');
            const wire = await Wire.open(at.s);
            await wire.write(head('POST', '/up', { ...r.headers,
                'Content-Range': `bytes ${start}-${start + size - 1}/${
                    total}`,
                'Content-Length': r.body.length - 1 + size }));
            await wire.write(r.body.subarray(0, cut));
            for (let i = 0; i < size; i += MIB) {
                hash.update(zeros);
                await wire.write(zeros);
            }
            await wire.write(r.body.subarray(cut + 1));
            id = assertChunkOk(await wire.answer(), start + size, id);
            wire.close();
        }
        const digest = hash.digest('hex');
        let answer;
        let took = 0;
        const reads = await readsDuring(at.s, `${id}.part`, async () => {
            const began = Date.now();
            answer = await complete(at.s, { id, md5: digest });
            took = Date.now() - began;
        });
        assertRefused(answer, 200, '{}');
        assert.equal(fs.statSync(at.s.partFile(id)).size, total);
        assert.deepEqual(reads, []);
        t.diagnostic(`completion took ${took} ms under strace`);
    });
});

onServer('a large file through crashes', {}, (at) => {
    const total = process.env.CU_BIG ? 5 * 1024 : 512; /* MiB */
    const step = 8;

    test(`${total} MiB in ${step} MiB chunks, a child killed twice`,
         async (t) => {
        const watch = memoryWatch(at.s);
        const before = watch.peak;
        const kills = [Math.floor(total / step / 3),
                       Math.floor(2 * total / step / 3)]
            .map((n) => n * step);
        let id;
        let quarter = 0;
        for (let first = 0; first < total;) {
            const o = { id, first, count: step, total, watch };
            if (kills[0] === first) {
                kills.shift();
                const gone = await sendLarge(at.s, { ...o, breakAfter: 5,
                    onBreak: async () => {
                        for (const pid of at.s.children()) {
                            await at.s.killChild(pid);
                        }
                    } });
                assert.equal(gone, null);
                const answer = await until('the server to answer', () =>
                    status(at.s, id).catch(() => null));
                assert.equal(answer.json.offset, first * MIB);
                continue;
            }
            const answer = await sendLarge(at.s, o);
            id = assertChunkOk(answer, (first + step) * MIB, id);
            first += step;
            if (first / total >= (quarter + 1) / 4) {
                quarter++;
                watch();
                t.diagnostic(`${first} MiB: children ${at.s.rssOfChildren()
                    .map((c) => c.rss).join(', ')} KiB`);
            }
        }
        const hashes = hashesOf(total);
        assertRefused(await complete(at.s, { id, md5: hashes.md5 }), 200,
                      '{}');
        assert.equal(fs.statSync(at.s.partFile(id)).size, total * MIB);
        assert.equal(await sha256File(at.s.partFile(id)), hashes.sha256);
        t.diagnostic(`child RSS at first ${before} KiB, peak ${
            watch.peak} KiB`);
        assert.ok(watch.peak - before < 8192,
                  `a child grew by ${watch.peak - before} KiB`);
    });
});
