import django.contrib.gis.db.models.fields
import django.contrib.gis.db.models.functions
import django.db.models.deletion
import django.db.models.functions.datetime
import gis.fields
import services.catalog.ids
import services.catalog.quantities
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('spatial', '0002_region_code_at'),
    ]

    operations = [
        migrations.CreateModel(
            name='Boundary',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('code', models.CharField(blank=True, db_index=True, max_length=64, verbose_name='编号')),
                ('name', models.CharField(max_length=200, verbose_name='名称')),
                ('geom', gis.fields.MultiPolygonField(blank=True, null=True, srid=4490, verbose_name='范围')),
                ('kind', models.CharField(choices=[('administrative', '行政区界线'), ('zone', '功能区'), ('land_use', '用地'), ('other', '其他')], default='administrative', max_length=16, verbose_name='界线类别')),
                ('parent_name', models.CharField(blank=True, max_length=100, verbose_name='上级名称')),
                ('source', models.CharField(blank=True, max_length=200, verbose_name='资料来源')),
                ('geom_3857', gis.fields.WebTwin(db_persist=True, expression=django.contrib.gis.db.models.functions.Transform('geom', 3857), output_field=django.contrib.gis.db.models.fields.MultiPolygonField(null=True, srid=3857))),
                ('region', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='spatial.region', verbose_name='行政区')),
            ],
            options={
                'verbose_name': '界线',
                'verbose_name_plural': '界线',
            },
        ),
        migrations.CreateModel(
            name='Building',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('code', models.CharField(blank=True, db_index=True, max_length=64, verbose_name='编号')),
                ('name', models.CharField(max_length=200, verbose_name='名称')),
                ('geom', gis.fields.MultiPolygonField(blank=True, null=True, srid=4490, verbose_name='轮廓')),
                ('kind', models.CharField(blank=True, max_length=60, verbose_name='建筑类别')),
                ('height', services.catalog.quantities.Quantity(blank=True, null=True, unit='m', verbose_name='高度')),
                ('floors', models.PositiveSmallIntegerField(blank=True, null=True, verbose_name='层数')),
                ('source', models.CharField(blank=True, max_length=200, verbose_name='资料来源')),
                ('geom_3857', gis.fields.WebTwin(db_persist=True, expression=django.contrib.gis.db.models.functions.Transform('geom', 3857), output_field=django.contrib.gis.db.models.fields.MultiPolygonField(null=True, srid=3857))),
                ('region', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='spatial.region', verbose_name='行政区')),
            ],
            options={
                'verbose_name': '建筑物',
                'verbose_name_plural': '建筑物',
            },
        ),
        migrations.CreateModel(
            name='Edition',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('published_on', models.DateField(verbose_name='发布日期')),
                ('publisher', models.CharField(max_length=100, verbose_name='发布单位')),
                ('approval_number', models.CharField(blank=True, max_length=60, verbose_name='审图号')),
                ('note', models.CharField(blank=True, max_length=300, verbose_name='说明')),
                ('boundary', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='editions', to='base_maps.boundary', verbose_name='界线')),
            ],
            options={
                'verbose_name': '界线版本',
                'verbose_name_plural': '界线版本',
                'ordering': ['-published_on'],
            },
        ),
        migrations.CreateModel(
            name='PointOfInterest',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('code', models.CharField(blank=True, db_index=True, max_length=64, verbose_name='编号')),
                ('name', models.CharField(max_length=200, verbose_name='名称')),
                ('geom', gis.fields.PointField(blank=True, null=True, srid=4490, verbose_name='位置')),
                ('kind', models.CharField(blank=True, max_length=200, verbose_name='兴趣点类别')),
                ('address', models.CharField(blank=True, max_length=300, verbose_name='地址')),
                ('telephone', models.CharField(blank=True, max_length=100, verbose_name='电话')),
                ('source', models.CharField(blank=True, max_length=200, verbose_name='资料来源')),
                ('geom_3857', gis.fields.WebTwin(db_persist=True, expression=django.contrib.gis.db.models.functions.Transform('geom', 3857), output_field=django.contrib.gis.db.models.fields.PointField(null=True, srid=3857))),
                ('region', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='spatial.region', verbose_name='行政区')),
            ],
            options={
                'verbose_name': '兴趣点',
                'verbose_name_plural': '兴趣点',
            },
        ),
        migrations.CreateModel(
            name='Remark',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('noted_on', models.DateField(verbose_name='日期')),
                ('text', models.CharField(max_length=300, verbose_name='内容')),
                ('noted_by', models.CharField(blank=True, max_length=60, verbose_name='记录人')),
                ('place', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='remarks', to='base_maps.pointofinterest', verbose_name='兴趣点')),
            ],
            options={
                'verbose_name': '备注',
                'verbose_name_plural': '备注',
                'ordering': ['-noted_on'],
            },
        ),
        migrations.CreateModel(
            name='Road',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('code', models.CharField(blank=True, db_index=True, max_length=64, verbose_name='编号')),
                ('name', models.CharField(max_length=200, verbose_name='名称')),
                ('geom', gis.fields.MultiLineStringField(blank=True, null=True, srid=4490, verbose_name='中心线')),
                ('kind', models.CharField(blank=True, max_length=60, verbose_name='道路类别')),
                ('surface', models.CharField(blank=True, max_length=60, verbose_name='路面')),
                ('width', services.catalog.quantities.Quantity(blank=True, null=True, unit='m', verbose_name='路面宽度')),
                ('source', models.CharField(blank=True, max_length=200, verbose_name='资料来源')),
                ('geom_3857', gis.fields.WebTwin(db_persist=True, expression=django.contrib.gis.db.models.functions.Transform('geom', 3857), output_field=django.contrib.gis.db.models.fields.MultiLineStringField(null=True, srid=3857))),
                ('region', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='spatial.region', verbose_name='行政区')),
            ],
            options={
                'verbose_name': '道路',
                'verbose_name_plural': '道路',
            },
        ),
        migrations.CreateModel(
            name='Use',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('since', models.DateField(verbose_name='起始日期')),
                ('use', models.CharField(max_length=100, verbose_name='用途')),
                ('note', models.CharField(blank=True, max_length=300, verbose_name='说明')),
                ('building', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='uses', to='base_maps.building', verbose_name='建筑物')),
            ],
            options={
                'verbose_name': '使用情况',
                'verbose_name_plural': '使用情况',
                'ordering': ['-since'],
            },
        ),
        migrations.CreateModel(
            name='WaterBody',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('code', models.CharField(blank=True, db_index=True, max_length=64, verbose_name='编号')),
                ('name', models.CharField(max_length=200, verbose_name='名称')),
                ('geom', gis.fields.MultiPolygonField(blank=True, null=True, srid=4490, verbose_name='水面')),
                ('kind', models.CharField(blank=True, max_length=60, verbose_name='水系类别')),
                ('source', models.CharField(blank=True, max_length=200, verbose_name='资料来源')),
                ('geom_3857', gis.fields.WebTwin(db_persist=True, expression=django.contrib.gis.db.models.functions.Transform('geom', 3857), output_field=django.contrib.gis.db.models.fields.MultiPolygonField(null=True, srid=3857))),
                ('region', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='spatial.region', verbose_name='行政区')),
            ],
            options={
                'verbose_name': '水系',
                'verbose_name_plural': '水系',
            },
        ),
        migrations.CreateModel(
            name='Level',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('read_at', models.DateTimeField(verbose_name='观测时间')),
                ('height', services.catalog.quantities.Quantity(blank=True, null=True, unit='m', verbose_name='水位')),
                ('note', models.CharField(blank=True, max_length=300, verbose_name='说明')),
                ('water_body', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='levels', to='base_maps.waterbody', verbose_name='水系')),
            ],
            options={
                'verbose_name': '水位记录',
                'verbose_name_plural': '水位记录',
                'ordering': ['-read_at'],
            },
        ),
        migrations.CreateModel(
            name='Closure',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('starts_on', models.DateField(verbose_name='开始日期')),
                ('ends_on', models.DateField(blank=True, null=True, verbose_name='结束日期')),
                ('reason', models.CharField(max_length=200, verbose_name='原因')),
                ('road', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='closures', to='base_maps.road', verbose_name='道路')),
            ],
            options={
                'verbose_name': '道路封闭',
                'verbose_name_plural': '道路封闭',
                'ordering': ['-starts_on'],
                'constraints': [models.CheckConstraint(condition=models.Q(('ends_on', None), ('ends_on__gte', models.F('starts_on')), _connector='OR'), name='closure_dates_in_order', violation_error_message='结束日期不得早于开始日期。')],
            },
        ),
    ]
