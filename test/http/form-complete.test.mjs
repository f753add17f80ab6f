/*
 * The seed's protocol, completion: what is required, what is compared, what
 * repeating it does, and what is read from disk for it.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { BAD_MD5, BOTH_REQUIRED, ID_REQUIRED, NOT_FOUND, assertChunkOk,
         assertRefused, chunk, complete, finish, md5, pattern, request, status,
         uploadAll } from './client.mjs';
import { onServer } from './server.mjs';
import { dropDigest, rewriteSlot } from './statefile.mjs';

const UNKNOWN = '0123456789abcdef0123456789abcdef';
const EMPTY_MD5 = 'd41d8cd98f00b204e9800998ecf8427e';
const notComplete = (offset) =>
    `{"detail": "Upload is not complete", "offset": ${offset}}`;

onServer('completion', {}, (at) => {
    const small = async () =>
        assertChunkOk(await chunk(at.s, { data: 'abc' }), 3);

    for (const path of ['/done', '/up/complete']) {
        for (const multipart of [false, true]) {
            const how = multipart ? 'multipart' : 'form-encoded';
            test(`${path}, ${how}`, async () => {
                const id = await small();
                assertRefused(await complete(at.s, { id, md5: md5('abc'), path,
                    multipart }), 200, '{}');
                assert.equal((await status(at.s, id)).json.status, 'complete');
            });
        }
    }

    test('both fields are required, and not empty', async () => {
        const id = await small();
        for (const multipart of [false, true]) {
            for (const fields of [[], [['upload_id', id]],
                [['md5', md5('abc')]], [['upload_id', ''], ['md5', 'x']],
                [['upload_id', id], ['md5', '']]]) {
                assertRefused(await complete(at.s, { fields, multipart }), 400,
                              BOTH_REQUIRED);
            }
        }
        assertRefused(await request(at.s, { method: 'POST', path: '/done' }),
                      400, BOTH_REQUIRED);
    });

    test('JSON bodies and query parameters are ignored', async () => {
        const id = await small();
        assertRefused(await request(at.s, { method: 'POST', path: '/done',
            headers: { 'Content-Type': 'application/json' },
            body: Buffer.from(JSON.stringify({ upload_id: id,
                                               md5: md5('abc') }))
        }), 400, BOTH_REQUIRED);
        assertRefused(await complete(at.s, { fields: [],
            path: `/done?upload_id=${id}&md5=${md5('abc')}` }), 400,
            BOTH_REQUIRED);
    });

    test('repeated fields: the last wins', async () => {
        const id = await small();
        assertRefused(await complete(at.s, { fields: [['md5', 'x'],
            ['upload_id', UNKNOWN], ['upload_id', id], ['md5', md5('abc')]]
        }), 200, '{}');
    });

    test('an unknown id', async () => {
        for (const id of [UNKNOWN, 'x', '../../etc/passwd', UNKNOWN + '0']) {
            assertRefused(await complete(at.s, { id, md5: md5('abc') }), 404,
                          NOT_FOUND);
        }
    });

    test('an upper-case id is another id', async () => {
        const id = await small();
        const upper = id.toUpperCase();
        assertRefused(await complete(at.s, { id: upper, md5: md5('abc') }),
                      upper === id ? 200 : 404,
                      upper === id ? '{}' : NOT_FOUND);
    });

    test('a wrong md5 changes nothing, the right one then completes',
         async () => {
        const id = await small();
        for (const wrong of [md5('abd'), 'x', md5('abc').slice(1),
                             md5('abc') + '0', ' ' + md5('abc')]) {
            assertRefused(await complete(at.s, { id, md5: wrong }), 400,
                          BAD_MD5);
        }
        assert.equal((await status(at.s, id)).json.status, 'uploading');
        await finish(at.s, id, Buffer.from('abc'));
    });

    test('md5 in upper case', async () => {
        const id = await small();
        assertRefused(await complete(at.s, { id,
            md5: md5('abc').toUpperCase() }), 200, '{}');
    });

    test('twice is 200 {} twice, another md5 is refused', async () => {
        const id = await small();
        for (let i = 0; i < 3; i++) {
            await finish(at.s, id, Buffer.from('abc'));
        }
        assertRefused(await complete(at.s, { id, md5: md5('x') }), 400,
                      BAD_MD5);
        await finish(at.s, id, Buffer.from('abc'));
    });

    test('half a file does not complete', async () => {
        const id = assertChunkOk(await chunk(at.s, { start: 0, total: 6,
            data: Buffer.from('abc') }), 3);
        assertRefused(await complete(at.s, { id, md5: md5('abc') }), 400,
                      notComplete(3));
        assert.equal((await status(at.s, id)).json.status, 'uploading');
        assertChunkOk(await chunk(at.s, { id, start: 3, total: 6,
            data: Buffer.from('def') }), 6, id);
        await finish(at.s, id, Buffer.from('abcdef'));
    });

    test('an empty file', async () => {
        const id = assertChunkOk(await chunk(at.s, { data: '' }), 0);
        assertRefused(await complete(at.s, { id, md5: EMPTY_MD5 }), 200, '{}');
        assert.equal(fs.statSync(at.s.partFile(id)).size, 0);
    });

    test('eight at once: the same answer, or busy and then the same',
         async () => {
        const data = pattern(300000);
        const id = await uploadAll(at.s, data, 100000);
        const answers = await Promise.all(Array.from({ length: 8 }, () =>
            complete(at.s, { id, md5: md5(data) })));
        assert.ok(answers.some((a) => a.status === 200));
        for (const answer of answers) {
            if (answer.status === 503) {
                assert.equal(answer.text,
                    '{"detail": "Upload is busy, try again later"}');
                assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
            } else {
                assertRefused(answer, 200, '{}');
            }
        }
        await finish(at.s, id, data);
    });

    const damages = {
        'of an unknown version': (d) => { d[0] = 99; },
        'of an unknown algorithm': (d) => { d[1] = 99; },
        'for another offset': (d) => { d.writeBigUInt64BE(64n, 2); },
        'of nonsense': (d) => { d.fill(0xff); }
    };
    for (const [name, damage] of Object.entries(damages)) {
        test(`a digest state ${name} is made again by reading`, async () => {
            const data = pattern(50000, name.length);
            const id = await uploadAll(at.s, data, 20000);
            let seen = 0;
            rewriteSlot(at.s.stateFile(id), (bytes, slot) => {
                seen = slot.digestLength;
                damage(bytes.subarray(106 + slot.bootLength,
                                      106 + slot.bootLength + seen));
            });
            assert.ok(seen > 0, 'there was a digest state');
            assertRefused(await complete(at.s, { id, md5: md5('x') }), 400,
                          BAD_MD5);
            await finish(at.s, id, data);
        });
    }

    test('a digest state that is missing is made again', async () => {
        const data = pattern(50000);
        const id = await uploadAll(at.s, data.subarray(0, 40000), 20000,
                                   { total: 50000 });
        dropDigest(at.s.stateFile(id));
        assertChunkOk(await chunk(at.s, { id, start: 40000, total: 50000,
            data: data.subarray(40000) }), 50000, id);
        await finish(at.s, id, data);
    });

    test('bytes changed on disk do not complete', async () => {
        const data = pattern(5000);
        const id = await uploadAll(at.s, data, 2000);
        dropDigest(at.s.stateFile(id));
        const fd = fs.openSync(at.s.partFile(id), 'r+');
        fs.writeSync(fd, Buffer.from([data[100] ^ 1]), 0, 1, 100);
        fs.closeSync(fd);
        assertRefused(await complete(at.s, { id, md5: md5(data) }), 400,
                      BAD_MD5);
    });

    test('files are private and not executable', async () => {
        const id = await small();
        await finish(at.s, id, Buffer.from('abc'));
        for (const file of [at.s.partFile(id), at.s.stateFile(id)]) {
            assert.equal(fs.statSync(file).mode & 0o177, 0, file);
        }
        assert.equal(fs.statSync(at.s.stateDir).mode & 0o777, 0o700);
    });
});

onServer('no digest', {
    conf: `<LocationMatch "^/(up|done)">
    ChunkedUploadDigest None
</LocationMatch>`
}, (at) => {
    test('completion wants the id only', async () => {
        const id = assertChunkOk(await chunk(at.s, { data: 'abc' }), 3);
        assertRefused(await complete(at.s, { id }), 200, '{}');
        assertRefused(await complete(at.s, { md5: md5('abc') }), 400,
                      ID_REQUIRED);
    });

    test('md5 is ignored', async () => {
        const id = assertChunkOk(await chunk(at.s, { data: 'abc' }), 3);
        assertRefused(await complete(at.s, { id, md5: 'nonsense' }), 200,
                      '{}');
    });
});
