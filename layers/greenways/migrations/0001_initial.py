import django.contrib.gis.db.models.fields
import django.contrib.gis.db.models.functions
import django.core.validators
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
            name='Greenway',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('code', models.CharField(blank=True, db_index=True, max_length=64, verbose_name='编号')),
                ('name', models.CharField(max_length=200, verbose_name='名称')),
                ('geom', gis.fields.LineStringField(blank=True, null=True, srid=4490, verbose_name='线路')),
                ('state', models.CharField(choices=[('planned', '规划'), ('building', '在建'), ('open', '建成开放'), ('closed', '封闭维修')], default='planned', max_length=12, verbose_name='状态')),
                ('kind', models.CharField(choices=[('regional', '区域（省）级'), ('city', '市（县）级'), ('community', '社区级')], default='city', max_length=12, verbose_name='绿道级别')),
                ('length', models.GeneratedField(db_persist=True, expression=services.catalog.quantities.LineLength('geom', metres=1000), output_field=services.catalog.quantities.Quantity(blank=True, null=True, unit='km'), verbose_name='长度')),
                ('width', services.catalog.quantities.Quantity(blank=True, null=True, unit='m', validators=[django.core.validators.MinValueValidator(0)], verbose_name='宽度')),
                ('surface', models.CharField(blank=True, choices=[('asphalt', '沥青'), ('concrete', '混凝土'), ('permeable', '透水铺装'), ('wood', '木栈道'), ('gravel', '砂石')], max_length=12, verbose_name='铺装')),
                ('manager', models.CharField(blank=True, max_length=100, verbose_name='管养单位')),
                ('started_on', models.DateField(blank=True, null=True, verbose_name='开工日期')),
                ('opened_on', models.DateField(blank=True, null=True, verbose_name='开放日期')),
                ('geom_3857', gis.fields.WebTwin(db_persist=True, expression=django.contrib.gis.db.models.functions.Transform('geom', 3857), output_field=django.contrib.gis.db.models.fields.LineStringField(null=True, srid=3857))),
                ('region', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='spatial.region', verbose_name='行政区')),
            ],
            options={
                'verbose_name': '绿道',
                'verbose_name_plural': '绿道',
            },
        ),
        migrations.CreateModel(
            name='FundUse',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('reported_on', models.DateField(verbose_name='上报日期')),
                ('source', models.CharField(choices=[('central', '中央及省级补助'), ('local', '市县财政'), ('other', '社会资金')], max_length=8, verbose_name='资金来源')),
                ('planned', services.catalog.quantities.Money(blank=True, decimal_places=4, max_digits=18, null=True, unit='万元', validators=[django.core.validators.MinValueValidator(0)], verbose_name='计划资金')),
                ('used', services.catalog.quantities.Money(blank=True, decimal_places=4, max_digits=18, null=True, unit='万元', validators=[django.core.validators.MinValueValidator(0)], verbose_name='已使用资金')),
                ('greenway', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='fund_uses', to='greenways.greenway', verbose_name='绿道')),
            ],
            options={
                'verbose_name': '资金使用',
                'verbose_name_plural': '资金使用',
                'ordering': ['-reported_on'],
            },
        ),
        migrations.CreateModel(
            name='AnnualPlan',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('year', models.PositiveSmallIntegerField(validators=[django.core.validators.MinValueValidator(2000), django.core.validators.MaxValueValidator(2100)], verbose_name='年度')),
                ('planned_length', services.catalog.quantities.Quantity(blank=True, null=True, unit='km', validators=[django.core.validators.MinValueValidator(0)], verbose_name='计划长度')),
                ('investment', services.catalog.quantities.Money(blank=True, decimal_places=4, max_digits=18, null=True, unit='万元', verbose_name='计划投资')),
                ('reported_on', models.DateField(verbose_name='上报日期')),
                ('note', models.CharField(blank=True, max_length=300, verbose_name='说明')),
                ('greenway', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='plans', to='greenways.greenway', verbose_name='绿道')),
            ],
            options={
                'verbose_name': '年度计划',
                'verbose_name_plural': '年度计划',
                'ordering': ['-year'],
            },
        ),
        migrations.CreateModel(
            name='ProgressReport',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('reported_on', models.DateField(verbose_name='上报日期')),
                ('built_length', services.catalog.quantities.Quantity(blank=True, null=True, unit='km', validators=[django.core.validators.MinValueValidator(0)], verbose_name='累计建成长度')),
                ('percent', models.PositiveSmallIntegerField(help_text='百分比，0 至 100', validators=[django.core.validators.MaxValueValidator(100)], verbose_name='完成比例')),
                ('note', models.CharField(blank=True, max_length=300, verbose_name='说明')),
                ('greenway', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='progress_reports', to='greenways.greenway', verbose_name='绿道')),
            ],
            options={
                'verbose_name': '进度上报',
                'verbose_name_plural': '进度上报',
                'ordering': ['-reported_on'],
            },
        ),
        migrations.AddConstraint(
            model_name='greenway',
            constraint=models.CheckConstraint(condition=models.Q(('opened_on', None), ('started_on', None), ('opened_on__gte', models.F('started_on')), _connector='OR'), name='greenway_dates_in_order', violation_error_message='开放日期不得早于开工日期。'),
        ),
        migrations.AddConstraint(
            model_name='annualplan',
            constraint=models.UniqueConstraint(fields=('greenway', 'year'), name='greenway_plan_once_a_year', violation_error_message='该绿道本年度计划已上报。'),
        ),
    ]
