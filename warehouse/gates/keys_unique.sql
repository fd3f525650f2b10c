-- severity: block
-- en: A key stands once in a table.
-- vi: Mỗi khóa chỉ xuất hiện một lần trong một bảng.
-- tables: every
SELECT _source AS source, count(*) AS found, 0 AS allowed
FROM (SELECT _source, _key FROM touched_$table GROUP BY _source, _key HAVING count(*) > 1)
GROUP BY _source
