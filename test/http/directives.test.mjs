/*
 * Every directive from httpd.conf, <Directory>, <Location> and .htaccess; how
 * they merge; what a wrong value says.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { BAD_HEADERS, ID_REQUIRED, NOT_FOUND, NO_AUTH, NO_FILE, assertChunkOk,
         assertRefused, chunk, complete, finish, md5, request, status }
    from './client.mjs';
import { CTL, configTest, onServer, startServer } from './server.mjs';

const tooLarge = (limit) =>
    `{"detail": "Size of file exceeds the limit (${limit} bytes)"}`;

/* Wrong values of each directive, and what the sentence must contain; of an
 * empty one httpd itself says that an argument is missing. */
const sentenceOf = (value, sentence) =>
    (value === '""' ? new RegExp(`takes (one|1-2)|at least one|${sentence.source}`)
        : sentence);

const PER_DIR = {
    ChunkedUploadExpire: [['0', '1x', '-1', '1d never', '""', '99999999w',
        '1.5h'], /unit s, m, h, d or w|created or idle/],
    ChunkedUploadPath: [['/abs', '../up', 'a//b', 'a/./b', '%p', '%', '"a b"',
        'x'.repeat(201)], /relative|conversions|letters|longer/],
    ChunkedUploadMaxBytes: [['-1', '10X', '1.5G', '0x10', '9999999T', '""'],
        /number of bytes with an optional unit K, M, G or T/],
    ChunkedUploadFieldName: [['""', '\'a"b\'', 'x'.repeat(256)],
        /1 to 255 bytes/],
    ChunkedUploadRequireRange: [['maybe', '1'], /must be On or Off/],
    ChunkedUploadDigest: [['sha256', '""'], /md5 or None/],
    ChunkedUploadContentType: [['json', '"a/b c"', '/x', 'a/', '"a/b; c=d"'],
        /media type/],
    ChunkedUploadAnonymous: [['perhaps', '""'], /must be On or Off/],
    ChunkedUploadDialects: [['all', 'form webdav', '""'], /form or tus/],
    ChunkedUploadLocation: [['always', '""'], /relative or absolute/],
    ChunkedUploadDeleteComplete: [['perhaps', '""'], /must be On or Off/]
};
/* Per directory, but the administrator's: not in .htaccess. */
const ADMIN = {
    ChunkedUploadStatusScope: [['mine', 'On', '""'], /none, own or all/]
};
const SERVER = {
    ChunkedUploadStateDir: [['""'], /path of a directory/],
    ChunkedUploadRoot: [['""'], /path of a directory/],
    ChunkedUploadDBM: [['mysql', '""'], /db, sdbm, gdbm, ndbm or default/],
    ChunkedUploadSync: [['always', '""'], /none, complete or chunk/],
    ChunkedUploadReapInterval: [['0', '1x', '-1', 'Off', '""'],
        /unit s, m, h, d or w/],
    ChunkedUploadKeepComplete: [['0', '1y', '-5', 'On', '""'],
        /unit s, m, h, d or w/]
};
const GOOD = {
    ChunkedUploadExpire: ['1d', '30s', '2h idle', '1w created', 'None'],
    ChunkedUploadPath: ['up', 'up/%Y/%m/%d', 'a_b-c.d/%H%M', 'up/'],
    ChunkedUploadMaxBytes: ['0', '10', '10K', '10m', '4G', '1T', 'none'],
    ChunkedUploadFieldName: ['file', '"files[]"', 'the_file'],
    ChunkedUploadRequireRange: ['On', 'off'],
    ChunkedUploadDigest: ['md5', 'MD5', 'None'],
    ChunkedUploadContentType: ['application/json', 'text/plain'],
    ChunkedUploadAnonymous: ['On', 'Off'],
    ChunkedUploadStatusScope: ['none', 'own', 'All'],
    ChunkedUploadDialects: ['form', 'tus', 'TUS Form'],
    ChunkedUploadLocation: ['relative', 'Absolute'],
    ChunkedUploadDeleteComplete: ['On', 'Off'],
    ChunkedUploadStateDir: ['"@ROOT@/var/other"'],
    ChunkedUploadRoot: ['"@ROOT@/var/bytes"'],
    ChunkedUploadDBM: ['sdbm', 'db'],
    ChunkedUploadSync: ['none', 'complete', 'Chunk'],
    ChunkedUploadReapInterval: ['1s', '10m', '1h', 'None'],
    ChunkedUploadKeepComplete: ['30d', '1w', 'none']
};

for (const [name, [values, sentence]] of Object.entries({ ...PER_DIR,
                                                          ...ADMIN,
                                                          ...SERVER })) {
    test(`${name}: a wrong value fails httpd -t with a sentence`, () => {
        for (const value of values) {
            const { status: code, text } = configTest({
                conf: `${name} ${value}` });
            assert.notEqual(code, 0, `${name} ${value} was accepted`);
            assert.match(text, new RegExp(name), value);
            assert.match(text, sentenceOf(value, sentence), value);
        }
    });

    test(`${name}: right values`, () => {
        for (const value of GOOD[name]) {
            const { status: code, text } = configTest({
                conf: `${name} ${value}` });
            assert.equal(code, 0, `${name} ${value}: ${text}`);
        }
    });
}

for (const name of Object.keys({ ...PER_DIR, ...ADMIN })) {
    test(`${name} is taken in Directory, Location, Files and a host`, () => {
        const lines = GOOD[name].map((value) => `    ${name} ${value}`)
            .join('\n');
        const { status: code, text } = configTest({ conf: [
            'Directory "@ROOT@/htdocs/x"', 'Location "/x"', 'Files "x"',
            'VirtualHost *'].map((open) =>
            `<${open}>\n${lines}\n</${open.split(' ')[0]}>`).join('\n') });
        assert.equal(code, 0, text);
    });
}

for (const name of Object.keys(SERVER)) {
    test(`${name} is refused outside the server configuration`, () => {
        const { status: code, text } = configTest({
            conf: `<Location "/x">\n${name} db\n</Location>` });
        assert.notEqual(code, 0);
        assert.match(text, /not allowed/);
    });
}

onServer('.htaccess', {
    files: {
        'tiny/.htaccess': 'SetHandler chunked-upload\n'
            + 'ChunkedUploadMaxBytes 4\nChunkedUploadFieldName blob\n',
        'strict/.htaccess': 'SetHandler chunked-upload\n'
            + 'ChunkedUploadRequireRange On\nChunkedUploadDigest None\n'
            + 'ChunkedUploadContentType text/json\n',
        'closed/.htaccess': 'SetHandler chunked-upload\n'
            + 'ChunkedUploadAnonymous Off\n',
        'short/.htaccess': 'SetHandler chunked-upload\n'
            + 'ChunkedUploadExpire 90s idle\nChunkedUploadPath mine/%Y\n',
        'plain/.htaccess': 'SetHandler chunked-upload\n',
        'tiny/inner/.htaccess': 'ChunkedUploadMaxBytes 8\n',
        'tiny/lifted/.htaccess': 'ChunkedUploadMaxBytes None\n'
    }
}, (at) => {
    test('limit and field name', async () => {
        const send = (data, field = 'blob') => chunk(at.s,
            { path: '/tiny/', data, field });
        assertChunkOk(await send('abcd'), 4);
        assertRefused(await send('abcde'), 400, tooLarge(4));
        assertRefused(await send('abc', 'file'), 400, NO_FILE);
    });

    test('an inner folder keeps what it does not change', async () => {
        const send = (where, data, field = 'blob') => chunk(at.s,
            { path: `/tiny/${where}/`, data, field });
        assertChunkOk(await send('inner', 'abcdefgh'), 8);
        assertRefused(await send('inner', 'abcdefghi'), 400, tooLarge(8));
        assertRefused(await send('inner', 'a', 'file'), 400, NO_FILE);
        assertChunkOk(await send('lifted', 'x'.repeat(5000)), 5000);
    });

    test('range, digest and content type', async () => {
        const bad = await chunk(at.s, { path: '/strict/', data: 'abc' });
        assert.equal(bad.status, 400);
        assert.equal(bad.text, BAD_HEADERS);
        assert.equal(bad.headers['content-type'], 'text/json');
        const good = await chunk(at.s, { path: '/strict/', start: 0, total: 3,
            data: Buffer.from('abc') });
        assert.equal(good.json.offset, 3);
        const short = await complete(at.s, { path: '/strict/complete',
                                             fields: [] });
        assert.equal(short.text, ID_REQUIRED);
        const done = await complete(at.s, { path: '/strict/complete',
                                            id: good.json.upload_id });
        assert.equal(done.text, '{}');
    });

    test('anonymous off', async () => {
        assertRefused(await chunk(at.s, { path: '/closed/', data: 'abc' }),
                      403, NO_AUTH);
    });

    test('expiry and path', async () => {
        const answer = await chunk(at.s, { path: '/short/', data: 'abc' });
        const id = assertChunkOk(answer, 3);
        const left = Date.parse(answer.json.expires) - Date.now();
        assert.ok(left > 80000 && left <= 90000, `${left} ms`);
        const file = at.s.partFile(id);
        assert.match(file, new RegExp(`/mine/${new Date().getUTCFullYear()}/`
                                      + `${id}\\.part$`));
    });

    test('the default path is the seed\'s, in UTC', async () => {
        const id = assertChunkOk(await chunk(at.s, { path: '/plain/',
                                                     data: 'abc' }), 3);
        const day = new Date().toISOString().slice(0, 10).replaceAll('-', '/');
        assert.ok(at.s.partFile(id).endsWith(
            `/chunked_uploads/${day}/${id}.part`), at.s.partFile(id));
    });

    test('E/<id> and E/complete below a real folder', async () => {
        const id = assertChunkOk(await chunk(at.s, { path: '/plain/',
                                                     data: 'abc' }), 3);
        assert.equal((await status(at.s, id, { path: '/plain' })).json.offset,
                     3);
        await finish(at.s, id, Buffer.from('abc'),
                     { path: '/plain/complete' });
        assertRefused(await status(at.s, '0'.repeat(32), { path: '/plain' }),
                      404, NOT_FOUND);
    });

    for (const [name, [values, sentence]] of Object.entries(PER_DIR)) {
        test(`${name}: a wrong value is 500, the sentence in the log`,
             async () => {
            const dir = path.join(at.s.docroot, `wrong-${name}`);
            fs.mkdirSync(dir);
            for (const value of values) {
                fs.writeFileSync(path.join(dir, '.htaccess'),
                    `SetHandler chunked-upload\n${name} ${value}\n`);
                const answer = await chunk(at.s, { path: `/wrong-${name}/`,
                                                   data: 'abc' });
                assert.equal(answer.status, 500, `${name} ${value}`);
                const line = at.s.logSince().trim().split('\n').at(-1);
                assert.match(line, sentenceOf(value, sentence));
                at.s.expectLog(new RegExp(`\\.htaccess: ${name}`));
            }
        });
    }

    test('server directives do not belong in .htaccess', async () => {
        for (const name of Object.keys({ ...SERVER, ...ADMIN })) {
            const dir = path.join(at.s.docroot, `server-${name}`);
            fs.mkdirSync(dir);
            fs.writeFileSync(path.join(dir, '.htaccess'), `${name} none\n`);
            const answer = await request(at.s, { path: `/server-${name}/` });
            assert.equal(answer.status, 500);
            at.s.expectLog(new RegExp(`${name} not allowed here`));
        }
    });
});

onServer('merging', {
    files: { 'd/.htaccess': '', 'v/x': '' },
    conf: `
ChunkedUploadMaxBytes 10
<Directory "@ROOT@/htdocs/d">
    SetHandler chunked-upload
    ChunkedUploadMaxBytes 20
    ChunkedUploadFieldName part
</Directory>
<Location "/d/l">
    ChunkedUploadMaxBytes 30
</Location>
<Location "/v">
    SetHandler chunked-upload
</Location>
<VirtualHost *>
    ServerName other.test
</VirtualHost>`
}, (at) => {
    test('server level, Directory, Location, each over the one before',
         async () => {
        const limitAt = async (where, field) => {
            const { text } = await chunk(at.s, { path: where, field,
                                                 data: 'x'.repeat(50) });
            return text;
        };
        assert.equal(await limitAt('/v', 'file'), tooLarge(10));
        assert.equal(await limitAt('/d/', 'part'), tooLarge(20));
        assert.equal(await limitAt('/d/l', 'part'), tooLarge(30));
    });

    test('.htaccess over Directory, Location over .htaccess', async () => {
        fs.writeFileSync(path.join(at.s.docroot, 'd/.htaccess'),
                         'ChunkedUploadMaxBytes 25\n');
        const send = (where) => chunk(at.s, { path: where, field: 'part',
                                              data: 'x'.repeat(50) });
        assertRefused(await send('/d/'), 400, tooLarge(25));
        assertRefused(await send('/d/l'), 400, tooLarge(30));
    });
});

onServer('an own store root, sync chunk', {
    conf: `ChunkedUploadRoot "@ROOT@/var/bytes"
ChunkedUploadSync chunk
ChunkedUploadPath flat`
}, (at) => {
    test('parts are below the root', async () => {
        const data = Buffer.from('abcdef');
        const id = assertChunkOk(await chunk(at.s, { start: 0, total: 6,
            data: data.subarray(0, 3) }), 3);
        assertChunkOk(await chunk(at.s, { id, start: 3, total: 6,
            data: data.subarray(3) }), 6, id);
        assert.equal(at.s.partFile(id),
                     path.join(at.s.root, 'var/bytes/flat', `${id}.part`));
        await finish(at.s, id, data);
    });
});

onServer('sync none', { conf: 'ChunkedUploadSync none' }, (at) => {
    test('works all the same', async () => {
        const id = assertChunkOk(await chunk(at.s, { data: 'abc' }), 3);
        await finish(at.s, id, Buffer.from('abc'));
    });
});

test('loaded and not configured, the module changes nothing', async () => {
    const s = await startServer({ configured: false, endpoints: '',
                                  files: { 'x.txt': 'hello' } });
    try {
        const usual = fs.existsSync('/var/lib/apache2/chunked_upload');
        assert.equal((await request(s, { path: '/x.txt' })).text, 'hello');
        assert.equal((await request(s, { path: '/up' })).status, 404);
        assert.deepEqual(s.tagged(), []);
        assert.deepEqual(fs.readdirSync(path.join(s.root, 'var')), []);
        assert.equal(fs.existsSync('/var/lib/apache2/chunked_upload'), usual);
        s.check();
    } finally {
        await s.stop();
    }
});

test('a state directory that cannot be made stops the start with a sentence',
     async () => {
    await assert.rejects(startServer({ configured: false,
        conf: 'ChunkedUploadStateDir "@ROOT@/httpd.conf/below"' }),
        /CU\d{4}: .*httpd\.conf/);
});

test('the tool answers on an empty store', async () => {
    const s = await startServer({});
    try {
        assert.ok(fs.existsSync(CTL));
        assert.equal(s.ctl('list').status, 0);
        s.check();
        const id = assertChunkOk(await chunk(s, { data: 'abc' }), 3);
        assert.match(s.ctl('list').stdout, new RegExp(id));
        assert.match(s.ctl('show', id).stdout, new RegExp(id));
        assert.notEqual(s.ctl('show', 'f'.repeat(32)).status, 0);
        await complete(s, { id, md5: md5('abc') });
        s.check();
    } finally {
        await s.stop();
    }
});
