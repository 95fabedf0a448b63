-- What the filters of the list offer: (kind, word), in order.
SELECT DISTINCT 'node' AS kind, node AS word FROM service WHERE present
UNION
SELECT DISTINCT 'tag', jsonb_array_elements_text(spec -> 'tags') FROM service
WHERE present AND jsonb_typeof(spec -> 'tags') = 'array'
ORDER BY 1, 2
